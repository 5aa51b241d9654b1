import { type ComponentChildren, type JSX } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../../../review/page/icons.tsx";

/** A dialog that has the keyboard until it is closed; the browser keeps the focus inside and gives it back after. */
export function Modal(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly isWide?: boolean;
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  // Before the next key comes: what is typed right behind the key that opened it must land in it.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element?.open === false) {
      element.showModal();
      // A long one is read from its beginning, wherever the field is that has the focus.
      element.scrollTop = 0;
    }
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={props.isWide === true ? "modal wide" : "modal"}
      aria-labelledby={titleId}
      onClose={props.onClose}
    >
      <div class="modal-head">
        <h2 id={titleId}>{props.title}</h2>
        <button class="round" type="button" aria-label="Close" onClick={props.onClose}>
          <Icon name="close" />
        </button>
      </div>
      {props.children}
    </dialog>
  );
}
