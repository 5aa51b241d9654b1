import { type JSX } from "preact";
import type { ReviewCase } from "../../../protocol/index.ts";
import { DueRing } from "./due-ring.tsx";
import { Icon } from "./icons.tsx";
import { SearchBox } from "./search-box.tsx";
import { UndoToast } from "./undo-toast.tsx";
import { type PageEvent, type PageState, type Recent } from "./state.ts";
import { badInputText, labelText, percentText, whyText } from "./wording.ts";

export interface PanelProps {
  readonly state: PageState;
  readonly held: ReviewCase;
  readonly dispatch: (event: PageEvent) => void;
}

/** The question, why a person is asked, and every way to answer. */
export function AnswerPanel({ state, held, dispatch }: PanelProps): JSX.Element {
  return (
    <section class="panel" aria-label="Answer">
      <div class="question">
        <div>
          <p class="task">{labelText(held.task)}</p>
          <h1 data-testid="question">{held.question}</h1>
        </div>
        <DueRing held={held} nowMs={state.nowMs + state.skewMs} />
      </div>
      <p class="why" data-testid="why">
        {whyText(held)}
      </p>
      {/* With a key, so that no button of the last case keeps the focus and answers the next one. */}
      <Suggestions key={held.id} held={held} dispatch={dispatch} />
      <SearchBox state={state} held={held} dispatch={dispatch} />
      <div class={state.features.escalate ? "ways-out three" : "ways-out"}>
        <button
          type="button"
          class="way-out"
          aria-keyshortcuts="c"
          onClick={() => dispatch({ kind: "answerPressed", answer: { kind: "cannot_tell" } })}
        >
          Cannot tell <kbd>C</kbd>
        </button>
        <button
          type="button"
          class="way-out"
          aria-keyshortcuts="b"
          onClick={() => dispatch({ kind: "answerPressed", answer: { kind: "bad_picture" } })}
        >
          {badInputText(held)} <kbd>B</kbd>
        </button>
        {state.features.escalate ? (
          <button
            type="button"
            class="way-out"
            aria-keyshortcuts="l"
            onClick={() => dispatch({ kind: "escalatePressed" })}
          >
            Ask a lead <kbd>L</kbd>
          </button>
        ) : null}
      </div>
      <div class="after">
        <UndoToast state={state} dispatch={dispatch} />
        <RecentAnswers recent={state.recent} inToast={state.toast?.answered.submit.reviewId ?? null} />
      </div>
    </section>
  );
}

function Suggestions({ held, dispatch }: Omit<PanelProps, "state">): JSX.Element {
  if (held.suggestions.length === 0) {
    return <p class="no-suggestions quiet">The model has no answer to offer. Search for the right one.</p>;
  }
  return (
    <ol class="suggestions" aria-label="What the model thought">
      {held.suggestions.slice(0, 9).map(({ label, confidence }, index) => (
        <li key={label}>
          <button
            type="button"
            class="suggestion"
            aria-keyshortcuts={String(index + 1)}
            onClick={() => dispatch({ kind: "answerPressed", answer: { kind: "label", label } })}
          >
            <kbd>{index + 1}</kbd>
            <span class="suggestion-label">{labelText(label)}</span>
            <span class="suggestion-share">{percentText(confidence)}</span>
            <ConfidenceBar confidence={confidence} gateThreshold={index === 0 ? held.gateThreshold : null} />
          </button>
        </li>
      ))}
    </ol>
  );
}

function ConfidenceBar(props: { readonly confidence: number; readonly gateThreshold: number | null }): JSX.Element {
  const { confidence, gateThreshold } = props;
  return (
    <span class="bar" aria-hidden="true">
      <span class="bar-fill" style={{ width: `${Math.max(0.5, confidence * 100)}%` }} />
      {gateThreshold === null ? null : (
        <span
          class="bar-gate"
          style={{ left: `${gateThreshold * 100}%` }}
          title={`Gate threshold ${percentText(gateThreshold)}`}
        />
      )}
    </span>
  );
}

const phaseTexts: Readonly<Record<Recent["phase"], string>> = {
  unsent: "not sent yet",
  taken: "can be undone",
  final: "final",
  delivered: "the device has it",
  handed: "a lead has it",
};

const recentShownMax = 3;

interface RecentProps {
  readonly recent: readonly Recent[];
  /** The one that the toast tells of. */
  readonly inToast: string | null;
}

/** What became of the last answers: a tick when it is final, two when the device has it. */
export function RecentAnswers({ recent, inToast }: RecentProps): JSX.Element | null {
  const shown = recent.filter(({ reviewId }) => reviewId !== inToast).slice(0, recentShownMax);
  if (shown.length === 0) return null;
  return (
    <ul class="recent" aria-label="Your last answers">
      {shown.map(({ reviewId, text, phase }) => (
        <li key={reviewId} class={`recent-entry ${phase}`} data-phase={phase}>
          <Icon name={phase === "delivered" ? "checks" : phase === "unsent" ? "wifiOff" : "check"} size={16} />
          <span class="recent-text">{text}</span>
          <span class="recent-phase">{phaseTexts[phase]}</span>
        </li>
      ))}
    </ul>
  );
}
