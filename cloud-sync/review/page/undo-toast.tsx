import { type JSX } from "preact";
import { Icon } from "./icons.tsx";
import { type PageEvent, type Toast } from "./state.ts";
import { answerText } from "./wording.ts";

export interface ToastProps {
  readonly toast: Toast;
  readonly nowMs: number;
  readonly undoWindowMs: number;
  readonly dispatch: (event: PageEvent) => void;
}

/** The last answer, and the seconds in which it can be taken back. */
export function UndoToast({ toast, nowMs, undoWindowMs, dispatch }: ToastProps): JSX.Element {
  const leftMs = Math.max(0, toast.undoUntilMs - nowMs);
  const isCounting = toast.phase === "undoable" || toast.phase === "sending";
  return (
    <div class="toast" data-testid="toast">
      <Icon name={toast.phase === "waiting" ? "wifiOff" : "check"} />
      <span class="toast-text">
        <strong>{answerText(toast.answered.submit.answer)}</strong>
        <span>
          {toast.phase === "waiting"
            ? "is sent when the connection is back"
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
            style={{ transform: `scaleX(${Math.min(1, leftMs / undoWindowMs)})` }}
          />
        </>
      ) : null}
    </div>
  );
}
