import { type JSX } from "preact";
import { Modal } from "../parts/modal.tsx";
import { pagesOf } from "../session.ts";
import { useSite } from "../site.ts";
import { pageTexts } from "./rail.tsx";

const everywhere: readonly (readonly [readonly string[], string])[] = [
  [["Ctrl K"], "Go to a page, a store or a case"],
  [["j", "k"], "Next and previous row; Enter opens it"],
  [["/"], "Search on this page"],
  [["?"], "This help"],
];

export function KeyHelp({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const { me } = useSite();
  return (
    <Modal title="Keyboard" onClose={onClose}>
      <dl class="keys">
        {everywhere.map(([names, what]) => (
          <KeyLine key={what} names={names} what={what} />
        ))}
        {pagesOf(me).map((page) => (
          <KeyLine key={page} names={["g", pageTexts[page].key]} what={pageTexts[page].name} />
        ))}
      </dl>
      <p class="quiet">The review screen has keys of its own: press ? there. Ctrl K works everywhere.</p>
    </Modal>
  );
}

function KeyLine({ names, what }: { readonly names: readonly string[]; readonly what: string }): JSX.Element {
  return (
    <div>
      <dt>
        {names.map((name) => (
          <kbd key={name}>{name}</kbd>
        ))}
      </dt>
      <dd>{what}</dd>
    </div>
  );
}
