import { isMap, parseDocument } from "yaml";

/**
 * A layer's text with one key put to `value`, or taken out where it is undefined. Comments and all other keys stay as they
 * were written. Null where the text cannot be edited so: it is no YAML, or something on the way to the key is no mapping
 * (an alias, a list). Whether the new text is a good layer, `parseLayer` says.
 *
 * @example editLayer("thresholds: { cart: 0.9 } # ours\n", ["thresholds", "cart"], { max_error: 0.01 })
 */
export function editLayer(text: string, path: readonly string[], value: unknown): string | null {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isEditable(document, path)) return null;
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, document.createNode(value, { flow: true }));
  return document.toString();
}

function isEditable(document: ReturnType<typeof parseDocument>, path: readonly string[]): boolean {
  if (document.contents === null) return true;
  for (let depth = 0; depth < path.length; depth += 1) {
    const node: unknown = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    // What is not there yet is made; what is there must be a mapping of this document.
    if (node === undefined) return true;
    if (!isMap(node)) return false;
  }
  return true;
}
