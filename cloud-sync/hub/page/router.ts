/** The pages of the hub and their addresses. The server serves the same document at each of them (page-assets). */
export const pageNames = [
  "review",
  "queues",
  "stores",
  "cases",
  "automation",
  "gates",
  "people",
  "config",
  "audit",
  "settings",
] as const;
export type PageName = (typeof pageNames)[number];

export interface Place {
  readonly page: PageName | "home" | "nowhere";
  /** The one that is looked at: a store, a case, a section of the settings. */
  readonly id: string | null;
  readonly query: URLSearchParams;
}

const withId = new Set<PageName>(["stores", "cases", "gates", "settings"]);

/** Reads an address of this site. */
export function placeOf({ pathname, search }: { readonly pathname: string; readonly search: string }): Place {
  const query = new URLSearchParams(search);
  const [name = "", id = "", ...rest] = pathname.split("/").slice(1);
  if (name === "" && id === "") return { page: "home", id: null, query };
  const page = pageNames.find((known) => known === name);
  const isKnown = page !== undefined && rest.length === 0 && (id === "" || withId.has(page));
  if (!isKnown) return { page: "nowhere", id: null, query };
  return { page, id: id === "" ? null : decoded(id), query };
}

/** The address of a page; empty and null parameters are left out. */
export function addressOf(page: PageName, id: string | null = null, query: Query = {}): string {
  const path = id === null ? `/${page}` : `/${page}/${encodeURIComponent(id)}`;
  const search = new URLSearchParams(
    Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== null && entry[1] !== ""),
  ).toString();
  return search === "" ? path : `${path}?${search}`;
}

export type Query = Readonly<Record<string, string | null>>;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
