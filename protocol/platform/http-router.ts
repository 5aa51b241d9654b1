import { type Route } from "../http.ts";

export type Found =
  | { readonly kind: "route"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: "method"; readonly allow: readonly string[] }
  | { readonly kind: "nothing" };

/** Finds a route by method and path. `:name` stands for one level; a path without parameters goes before one with. */
export class HttpRouter {
  readonly #exact = new Map<string, Route[]>();
  readonly #patterns: { readonly levels: readonly string[]; readonly route: Route }[] = [];

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      if (route.path.includes("/:")) this.#patterns.push({ levels: route.path.split("/"), route });
      else this.#exact.set(route.path, [...(this.#exact.get(route.path) ?? []), route]);
    }
  }

  find(method: string, path: string): Found {
    const wanted = method === "HEAD" ? "GET" : method;
    const exact = this.#exact.get(path) ?? [];
    for (const route of exact) if (route.method === wanted) return { kind: "route", route, params: {} };
    const allow = new Set<string>(exact.map(({ method: allowed }) => allowed));
    const given = path.split("/");
    for (const { levels, route } of this.#patterns) {
      const params = match(levels, given);
      if (params === null) continue;
      if (route.method === wanted) return { kind: "route", route, params };
      allow.add(route.method);
    }
    if (allow.has("GET")) allow.add("HEAD");
    return allow.size > 0 ? { kind: "method", allow: [...allow] } : { kind: "nothing" };
  }
}

/** Parameters by name, percent-decoded, or null where the path is another one. */
function match(levels: readonly string[], given: readonly string[]): Record<string, string> | null {
  if (levels.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [i, level] of levels.entries()) {
    const value = given[i] ?? "";
    if (!level.startsWith(":")) {
      if (level !== value) return null;
      continue;
    }
    const decoded = percentDecoded(value);
    if (decoded === null || decoded === "") return null;
    params[level.slice(1)] = decoded;
  }
  return params;
}

function percentDecoded(value: string): string | null {
  try {
    return decodeURIComponent(value);
  } catch {
    return null;
  }
}
