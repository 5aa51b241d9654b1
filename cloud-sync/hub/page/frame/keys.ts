import { addressOf, type PageName } from "../router.ts";

/** What a key means on every page but the review screen, whose letters begin words. */
export type KeyAction =
  | { readonly kind: "go"; readonly address: string }
  /** The next key says where to. */
  | { readonly kind: "prefix" }
  | { readonly kind: "goTo" }
  | { readonly kind: "help" }
  | { readonly kind: "search" }
  | { readonly kind: "move"; readonly by: 1 | -1 };

export interface HubKey {
  readonly key: string;
  readonly isCommand: boolean;
  /** The focus is in a field. */
  readonly isTyping: boolean;
  readonly isReview: boolean;
  /** `g` was pressed before. */
  readonly isPrefixed: boolean;
}

export interface PageKey {
  readonly page: PageName;
  readonly key: string;
}

/** Null: nothing to us, the browser (or the review screen) may have it. */
export function hubKey(pressed: HubKey, pages: readonly PageKey[]): KeyAction | null {
  const { key, isCommand } = pressed;
  if (isCommand) return key.toLowerCase() === "k" ? { kind: "goTo" } : null;
  if (pressed.isTyping || pressed.isReview) return null;
  if (pressed.isPrefixed) {
    const found = pages.find((page) => page.key === key.toLowerCase());
    return found ? { kind: "go", address: addressOf(found.page) } : null;
  }
  switch (key) {
    case "g":
      return { kind: "prefix" };
    case "?":
      return { kind: "help" };
    case "/":
      return { kind: "search" };
    case "j":
      return { kind: "move", by: 1 };
    case "k":
      return { kind: "move", by: -1 };
    default:
      return null;
  }
}
