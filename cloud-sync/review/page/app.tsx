import { type JSX } from "preact";
import { AnswerPanel, RecentAnswers } from "./answer-panel.tsx";
import { HelpDialog } from "./help-dialog.tsx";
import { Icon, Mark } from "./icons.tsx";
import { PairingScreen } from "./pairing-screen.tsx";
import { PictureStage } from "./picture-stage.tsx";
import { type PageEvent, type PageState } from "./state.ts";
import { TopBar } from "./top-bar.tsx";
import { UndoToast } from "./undo-toast.tsx";
import { lostText } from "./wording.ts";

export interface AppProps {
  readonly state: PageState;
  readonly dispatch: (event: PageEvent) => void;
  readonly rememberedName: string;
}

export function App({ state, dispatch, rememberedName }: AppProps): JSX.Element {
  switch (state.screen) {
    case "starting":
      return <Starting state={state} dispatch={dispatch} />;
    case "pairing":
      return <PairingScreen pairing={state.pairing} rememberedName={rememberedName} dispatch={dispatch} />;
    case "reviewing":
      return <Reviewing state={state} dispatch={dispatch} topBar={<TopBar state={state} dispatch={dispatch} />} />;
  }
}

type ScreenProps = Omit<AppProps, "rememberedName">;

export function Starting({ state, dispatch }: ScreenProps): JSX.Element {
  return (
    <main class="centre">
      {state.connection.isUp ? (
        <p class="quiet starting">
          <Mark /> Loading…
        </p>
      ) : (
        <OfflineBanner state={state} dispatch={dispatch} />
      )}
    </main>
  );
}

/** The work itself; who serves it gives the bar above it. */
export function Reviewing({ state, dispatch, topBar }: ScreenProps & { readonly topBar: JSX.Element }): JSX.Element {
  const [held] = state.cases;
  const { notice } = state;
  return (
    <div class="review">
      {topBar}
      {state.connection.isUp ? null : <OfflineBanner state={state} dispatch={dispatch} />}
      {notice ? (
        <div class={`notice ${notice.tone}`} role="status" data-testid="notice">
          <span>{notice.text}</span>
          <button
            type="button"
            class="round"
            aria-label="Close this message"
            onClick={() => dispatch({ kind: "noticeClosed" })}
          >
            <Icon name="close" size={18} />
          </button>
        </div>
      ) : null}
      <main class={held ? "work" : "work idle"}>
        {held ? (
          <>
            <PictureStage state={state} dispatch={dispatch} />
            <AnswerPanel state={state} held={held} dispatch={dispatch} />
          </>
        ) : (
          <>
            <NothingToDo state={state} />
            <UndoToast state={state} dispatch={dispatch} />
          </>
        )}
      </main>
      <HelpDialog isOpen={state.isHelpOpen} features={state.features} dispatch={dispatch} />
      <p class="visually-hidden" role="status" aria-live="polite">
        {state.announcement}
      </p>
    </div>
  );
}

function NothingToDo({ state }: { readonly state: PageState }): JSX.Element {
  const { queue, answered, connection, isFirstClaim } = state;
  if (!connection.isUp) {
    return (
      <section class="empty" data-testid="empty">
        <Icon name={connection.isFault ? "fault" : "wifiOff"} size={56} />
        <h1>{connection.isFault ? "The server fails" : "No connection"}</h1>
        <p class="quiet">
          {state.outbox.length > 0
            ? "Your answers are kept here and sent when it is back."
            : connection.isFault
              ? "What went wrong is in its log."
              : "Cases come back with the connection."}
        </p>
      </section>
    );
  }
  if (isFirstClaim || (queue?.waiting ?? 0) > 0) return <section class="empty quiet">Fetching the next case…</section>;
  const others = queue?.leased ?? 0;
  return (
    <section class="empty" data-testid="empty">
      <CalmShelf />
      <h1>All caught up</h1>
      <p class="quiet">
        {others > 0
          ? `${others === 1 ? "One case is" : `${others} cases are`} with other reviewers. New ones appear here by themselves.`
          : "New cases appear here by themselves."}
      </p>
      {answered > 0 ? (
        <p class="tally">
          {answered === 1 ? "You answered 1 case" : `You answered ${answered} cases`} since you signed in.
        </p>
      ) : null}
      <RecentAnswers recent={state.recent} inToast={state.toast?.answered.submit.reviewId ?? null} />
    </section>
  );
}

/** A tidy shelf: everything in its place. */
function CalmShelf(): JSX.Element {
  return (
    <svg class="calm-shelf" viewBox="0 0 240 132" width="240" height="132" aria-hidden="true" focusable="false">
      <rect class="shelf-item a" x="34" y="44" width="30" height="60" rx="5" />
      <rect class="shelf-item b" x="70" y="58" width="26" height="46" rx="5" />
      <circle class="shelf-item c" cx="120" cy="85" r="19" />
      <circle class="shelf-item c" cx="156" cy="89" r="15" />
      <path class="shelf-item d" d="M182 104V62l8-14h10l8 14v42Z" />
      <path class="shelf-board" d="M18 106h204" />
      <circle class="shelf-seal" cx="120" cy="30" r="18" />
      <path class="shelf-check" d="m112 30 6 6 11-12" />
    </svg>
  );
}

function OfflineBanner({ state, dispatch }: ScreenProps): JSX.Element {
  const { retryAtMs, isFault } = state.connection;
  const seconds = Math.max(1, Math.ceil((retryAtMs - state.nowMs) / 1000));
  const kept = state.outbox.length;
  return (
    <div class="offline" role="alert" data-testid="offline">
      <Icon name={isFault ? "fault" : "wifiOff"} />
      <span class="offline-text">
        <strong>{lostText(isFault)}</strong>{" "}
        {kept > 0
          ? `${kept === 1 ? "One answer is" : `${kept} answers are`} kept here and sent when it is back.`
          : "You can go on with the cases that are here."}
      </span>
      {/* Counting down aloud would talk over everything else. */}
      <span class="offline-retry" aria-hidden="true">
        {Number.isFinite(retryAtMs) ? `Trying again in ${seconds} s` : "Trying…"}
      </span>
      <button type="button" class="offline-button" onClick={() => dispatch({ kind: "retryPressed" })}>
        Try now
      </button>
    </div>
  );
}
