import { type JSX } from "preact";
import { Icon } from "./icons.tsx";
import { type PageEvent, type PageState } from "./state.ts";
import { answerText } from "./wording.ts";

export interface ToastProps {
  readonly state: PageState;
  readonly dispatch: (event: PageEvent) => void;
}

/** The last answer, and the seconds in which it can be taken back. It never covers the picture. */
export function UndoToast({ state, dispatch }: ToastProps): JSX.Element | null {
  const { toast, nowMs, session } = state;
  if (toast === null || session === null) return null;
  const leftMs = Math.max(0, toast.undoUntilMs - nowMs);
  const isCounting = toast.phase === "undoable" || toast.phase === "sending";
  return (
    <div class="toast" data-testid="toast">
      <Icon name={toast.phase === "waiting" ? "wifiOff" : "check"} />
      <span class="toast-text">
        <strong>{answerText(toast.answered.submit.answer, toast.answered.held)}</strong>
        <span>
          {toast.phase === "waiting"
            ? "waits for the connection"
            : toast.phase === "undoing"
              ? "is being undone"
              : "answered"}
        </span>
      </span>
      <button type="button" class="toast-undo" aria-keyshortcuts="u" onClick={() => dispatch({ kind: "undoPressed" })}>
        <Icon name="undo" size={18} /> Undo <kbd>U</kbd>
      </button>
      {isCounting ? (
        <>
          <span class="toast-left">{Math.ceil(leftMs / 1000)} s</span>
          <span
            class="toast-bar"
            aria-hidden="true"
            style={{ transform: `scaleX(${Math.min(1, leftMs / session.undoWindowMs)})` }}
          />
        </>
      ) : null}
    </div>
  );
}
