/**
 * Puts one key into a layer's YAML as the form does: a mapping in block style, indented by two. What is written another
 * way on the path of the key (`{ … }`, an anchor) is left alone; then the answer is null and the text is the way.
 * Whether the value is good, the hub's check says.
 */
export function withKey(text: string, path: readonly string[], value: string): string | null {
  const lines = text === "" ? [] : (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  if (path.length === 0 || lines.some((line) => /^\s*\t/.test(line))) return null;
  let [from, to, indent] = [0, lines.length, 0];
  for (const [depth, name] of path.entries()) {
    const at = lineOf(lines, from, to, indent, name);
    const isLast = depth === path.length - 1;
    if (at === null) return joined(lines, endOf(lines, from, to), newLines(path.slice(depth), value, indent));
    const after = blockEnd(lines, at, indent);
    const own = `${" ".repeat(indent)}${keyText(name)}:`;
    if (isLast) return [...lines.slice(0, at), `${own} ${value}`, ...lines.slice(after)].join("\n") + "\n";
    if (valueOf(lines[at] ?? "") !== "") return null;
    const first = lines.slice(at + 1, after).find((line) => isContent(line));
    indent = first === undefined ? indent + 2 : indentOf(first);
    [from, to] = [at + 1, after];
  }
  return null;
}

function joined(lines: readonly string[], at: number, added: readonly string[]): string {
  return [...lines.slice(0, at), ...added, ...lines.slice(at)].join("\n") + "\n";
}

function newLines(path: readonly string[], value: string, indent: number): readonly string[] {
  return path.map((name, depth) => {
    const own = `${" ".repeat(indent + 2 * depth)}${keyText(name)}:`;
    return depth === path.length - 1 ? `${own} ${value}` : own;
  });
}

/** The line of that key among the direct children of the block. */
function lineOf(lines: readonly string[], from: number, to: number, indent: number, name: string): number | null {
  for (let at = from; at < to; at += 1) {
    const line = lines[at] ?? "";
    if (isContent(line) && indentOf(line) === indent && nameOf(line) === name) return at;
  }
  return null;
}

/** Behind the last line that belongs to the key at `at`. */
function blockEnd(lines: readonly string[], at: number, indent: number): number {
  let end = at + 1;
  for (let next = at + 1; next < lines.length; next += 1) {
    const line = lines[next] ?? "";
    if (!isContent(line)) continue;
    // A list may stand at the indentation of its key.
    if (indentOf(line) < indent || (indentOf(line) === indent && !line.trimStart().startsWith("- "))) break;
    end = next + 1;
  }
  return end;
}

/** Before the blank lines and comments at the end of a block. */
function endOf(lines: readonly string[], from: number, to: number): number {
  let end = to;
  while (end > from && !isContent(lines[end - 1] ?? "")) end -= 1;
  return end;
}

function isContent(line: string): boolean {
  const text = line.trim();
  return text !== "" && !text.startsWith("#");
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function nameOf(line: string): string | null {
  const found = /^\s*(?:"([^"]*)"|'([^']*)'|([^\s'"][^:]*?))\s*:(?:\s|$)/.exec(line);
  return found ? (found[1] ?? found[2] ?? found[3] ?? null) : null;
}

function valueOf(line: string): string {
  const rest = line.slice(line.indexOf(":") + 1).trim();
  return rest.startsWith("#") ? "" : rest;
}

function keyText(name: string): string {
  return /^[A-Za-z_][\w.-]*$/.test(name) && !/^(true|false|null|yes|no|on|off)$/i.test(name)
    ? name
    : JSON.stringify(name);
}

/**
 * The key of the schema that was typed, as it stands in the list (`thresholds.<task>`) or with names in its places
 * (`thresholds.cart`), which are given then. Of several that fit it is the one with the fewest places; null: there is none.
 */
export function typedKey<Key extends { readonly key: string }>(
  keys: readonly Key[],
  typed: string,
): { readonly key: Key; readonly places: Readonly<Record<string, string>> } | null {
  const parts = typed.split(".");
  const fits = keys.flatMap((key) => {
    const pattern = key.key.split(".");
    if (pattern.length !== parts.length) return [];
    const places: Record<string, string> = {};
    for (const [index, part] of parts.entries()) {
      const wanted = pattern[index] ?? "";
      if (wanted === part) continue;
      if (!wanted.startsWith("<") || part === "" || part.startsWith("<")) return [];
      places[wanted] = part;
    }
    return [{ key, places }];
  });
  const count = ({ places }: (typeof fits)[number]): number => Object.keys(places).length;
  return fits.sort((a, b) => count(a) - count(b))[0] ?? null;
}
