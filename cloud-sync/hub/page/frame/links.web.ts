/** Links of this site are followed without loading the document anew; returns what ends it. */
export function listenToLinks(go: (address: string) => void, onBack: () => void): () => void {
  const onClick = (event: MouseEvent): void => {
    const { target, button, metaKey, ctrlKey, shiftKey, altKey, defaultPrevented } = event;
    if (defaultPrevented || button !== 0 || metaKey || ctrlKey || shiftKey || altKey) return;
    const link = target instanceof Element ? target.closest("a") : null;
    if (!link || link.origin !== location.origin || link.target !== "" || "outside" in link.dataset) return;
    event.preventDefault();
    go(`${link.pathname}${link.search}`);
  };
  document.addEventListener("click", onClick);
  addEventListener("popstate", onBack);
  return () => {
    document.removeEventListener("click", onClick);
    removeEventListener("popstate", onBack);
  };
}

/** The token of an invitation, taken off the address so that it stays in no history. */
export function takeToken(): string | null {
  if (location.pathname !== "/invitation") return null;
  const token = location.hash.slice(1);
  history.replaceState(null, "", "/invitation");
  return token === "" ? null : token;
}
