import { type JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { type Features, type PageEvent } from "./state.ts";

const keys: readonly (readonly [readonly string[], string])[] = [
  [["1", "…", "9"], "Choose one of the model’s answers"],
  [["/"], "Search all answers; typing a word does the same"],
  [["↑", "↓", "Enter"], "Choose among what was found"],
  [["C"], "Cannot tell"],
  [["B"], "Bad picture"],
  [["U", "Backspace", "Ctrl Z"], "Undo the last answer"],
  [["Esc"], "Leave the search"],
  [["?"], "This help"],
];

const leadKeys: typeof keys = [[["L"], "Ask a lead"]];

export function HelpDialog(props: {
  readonly isOpen: boolean;
  readonly features: Features;
  readonly dispatch: (event: PageEvent) => void;
}): JSX.Element {
  const { isOpen, features, dispatch } = props;
  const shown = features.escalate ? [...keys.slice(0, 5), ...leadKeys, ...keys.slice(5)] : keys;
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    if (isOpen && !dialog.current?.open) dialog.current?.showModal();
    if (!isOpen && dialog.current?.open) dialog.current.close();
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-title"
      onClose={() => isOpen && dispatch({ kind: "helpToggled" })}
    >
      <div class="help-head">
        <h2 id="help-title">Keyboard</h2>
        <button class="round" type="button" aria-label="Close" onClick={() => dispatch({ kind: "helpToggled" })}>
          <Icon name="close" />
        </button>
      </div>
      <dl>
        {shown.map(([names, what]) => (
          <div key={what}>
            <dt>{names.map((name) => (name === "…" ? <span key={name}>…</span> : <kbd key={name}>{name}</kbd>))}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">
        An answer leaves for the device when its undo time is over. The mark on the first bar is the gate threshold:
        what the store asks of the model.
      </p>
    </dialog>
  );
}
