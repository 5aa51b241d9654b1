import { type PageEvent, type PageState } from "./state.ts";

export interface Key {
  readonly key: string;
  readonly isCommand: boolean;
  readonly isRepeat: boolean;
}

/** What a key means now; null: nothing to us, the browser may have it. */
export function keyEvent(state: PageState, key: Key): PageEvent | null {
  if (state.screen !== "reviewing") return null;
  // The help dialog is the browser's own: it closes itself on Escape and tells us.
  if (state.isHelpOpen) return key.key === "?" ? { kind: "helpToggled" } : null;
  if (state.search.isOpen) return searchKey(key);
  if (key.isCommand) return key.key.toLowerCase() === "z" && !key.isRepeat ? { kind: "undoPressed" } : null;
  // A key that is held down must not answer a row of cases.
  if (key.isRepeat) return null;
  if (/^[1-9]$/.test(key.key)) return { kind: "digitPressed", digit: Number(key.key) };
  if (key.key === "/") return { kind: "searchOpened", query: "" };
  if (key.key === "?") return { kind: "helpToggled" };
  if (key.key === "Backspace") return { kind: "undoPressed" };
  if (/^\p{L}$/u.test(key.key)) return { kind: "letterPressed", letter: key.key };
  return null;
}

function searchKey({ key }: Key): PageEvent | null {
  if (key === "ArrowDown") return { kind: "searchMoved", by: 1 };
  if (key === "ArrowUp") return { kind: "searchMoved", by: -1 };
  if (key === "Enter") return { kind: "searchPicked" };
  return key === "Escape" ? { kind: "searchClosed" } : null;
}
