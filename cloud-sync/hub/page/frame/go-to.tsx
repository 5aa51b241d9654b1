import { type JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { Modal } from "../parts/modal.tsx";
import { addressOf } from "../router.ts";
import { pagesOf, type SignedIn } from "../session.ts";
import { sectionAddress, sections, sectionsOf } from "../settings-sections.ts";
import { useSite } from "../site.ts";
import { pageTexts } from "./rail.tsx";

interface Target {
  readonly text: string;
  readonly address: string;
}

/** Where what was typed may lead: pages and sections of the settings by name, a case by its id, a store by its name. */
function targetsOf(typed: string, me: SignedIn): readonly Target[] {
  const wanted = typed.trim();
  const pages = pagesOf(me);
  const named: readonly Target[] = [
    ...pages.map((page) => ({ text: pageTexts[page].name, address: addressOf(page) })),
    ...sectionsOf(me).map((name) => ({ text: `Settings: ${sections[name].title}`, address: sectionAddress(name) })),
  ];
  const found = named.filter(({ text }) => text.toLowerCase().includes(wanted.toLowerCase()));
  if (wanted === "") return found;
  const isId = /^[0-9a-f]{8}-[0-9a-f-]{4,}$/i.test(wanted);
  const toCase = isId && pages.includes("cases");
  const toStore = !isId && pages.includes("stores") && /^[\w.-]+$/.test(wanted);
  return [
    ...found,
    ...(toCase ? [{ text: `Case ${wanted}`, address: addressOf("cases", wanted.toLowerCase()) }] : []),
    ...(toStore ? [{ text: `Store ${wanted}`, address: addressOf("stores", wanted) }] : []),
  ];
}

/** A combobox (ARIA APG) over everything that has an address. */
export function GoTo({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const { me, go } = useSite();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const listId = useId();
  const targets = targetsOf(typed, me);
  const open = (target: Target | undefined): void => {
    if (!target) return;
    onClose();
    go(target.address);
  };
  const onKey = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by !== 0 && targets.length > 0) setAt((at + by + targets.length) % targets.length);
    else if (event.key === "Enter") open(targets[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal title="Go to" onClose={onClose}>
      <input
        class="go-to-input"
        type="text"
        role="combobox"
        aria-label="Page, store or case id"
        aria-expanded="true"
        aria-controls={listId}
        aria-autocomplete="list"
        {...(targets.length > 0 ? { "aria-activedescendant": `${listId}-${at}` } : {})}
        placeholder="Page, store or case id"
        autoComplete="off"
        spellcheck={false}
        autoFocus
        value={typed}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <ul id={listId} class="go-to-list" role="listbox" aria-label="Places">
        {targets.map((target, index) => (
          <li
            key={target.address}
            id={`${listId}-${index}`}
            role="option"
            aria-selected={index === at}
            onClick={() => open(target)}
          >
            {target.text}
          </li>
        ))}
      </ul>
    </Modal>
  );
}
