/** Key paths as text: `thresholds.product_identification`, `thresholds.shelf.classes["Oat.Milk"]`. */

/** A segment that could be misread is put in brackets and quotes, so that the text is unambiguous. */
export function keyText(segments: readonly (string | number)[]): string {
  return segments.reduce<string>((text, segment) => {
    if (typeof segment === "number") return `${text}[${segment}]`;
    if (!/^[A-Za-z0-9_-]+$/.test(segment)) return `${text}[${JSON.stringify(segment)}]`;
    return text === "" ? segment : `${text}.${segment}`;
  }, "");
}

/** The segments of a key's text, or null where it is none. */
export function keySegments(text: string): readonly string[] | null {
  const segments: string[] = [];
  const pattern = /(?:^|\.)([A-Za-z0-9_-]+)|\[("(?:[^"\\]|\\.)*")\]/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    const segment = match && (match[1] ?? unquoted(match[2] ?? ""));
    if (segment === null) return null;
    segments.push(segment);
  }
  return segments.length === 0 ? null : segments;
}

function unquoted(quoted: string): string | null {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return null;
  }
}
