import { hubKey, type KeyAction, type PageKey } from "./keys.ts";

/** How long `g` waits for the letter of a page. */
const prefixMs = 1_200;

export interface KeyContext {
  readonly isReview: () => boolean;
  readonly pages: () => readonly PageKey[];
  readonly perform: (action: KeyAction) => void;
}

/** Listens to the keyboard of the whole page; returns what ends it. */
export function listenToKeys({ isReview, pages, perform }: KeyContext): () => void {
  let prefixedAtMs = -Infinity;
  const onKey = (pressed: KeyboardEvent): void => {
    const { key, ctrlKey, metaKey, altKey, target, timeStamp } = pressed;
    // An open dialog has the keyboard for itself.
    if (altKey || document.querySelector("dialog[open]")) return;
    const isPrefixed = timeStamp - prefixedAtMs < prefixMs;
    prefixedAtMs = -Infinity;
    const isCommand = ctrlKey || metaKey;
    const action = hubKey({ key, isCommand, isTyping: isField(target), isReview: isReview(), isPrefixed }, pages());
    if (!action) return;
    pressed.preventDefault();
    if (action.kind === "prefix") prefixedAtMs = timeStamp;
    else if (action.kind === "move") moveAmongRows(action.by);
    else if (action.kind === "search") document.querySelector<HTMLElement>("[data-search] input")?.focus();
    else perform(action);
  };
  addEventListener("keydown", onKey);
  return () => removeEventListener("keydown", onKey);
}

/** `j` and `k` go through the rows that lead somewhere. */
function moveAmongRows(by: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>("main .row-link")];
  const at = links.findIndex((link) => link === document.activeElement);
  const next = at < 0 ? (by === 1 ? 0 : links.length - 1) : at + by;
  links[next]?.focus();
}

function isField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement
  );
}
