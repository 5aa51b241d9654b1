import { type ComponentChildren, type JSX } from "preact";
import { Icon, Mark } from "./icons.tsx";
import { type PageEvent, type PageState } from "./state.ts";
import { waitingText } from "./wording.ts";

export interface TopBarProps {
  readonly state: PageState;
  readonly dispatch: (event: PageEvent) => void;
}

export function TopBar({ state, dispatch }: TopBarProps): JSX.Element {
  const { session } = state;
  return (
    <header class="top-bar">
      <div class="brand">
        <Mark />
        <span class="brand-name">Holdpoint</span>
        <span class="brand-store">{session?.store}</span>
      </div>
      <TopFacts {...{ state, dispatch }} who={<span class="reviewer">{session?.reviewer}</span>}>
        <button
          class="round"
          type="button"
          title="Sign out"
          aria-label="Sign out"
          onClick={() => dispatch({ kind: "leavePressed" })}
        >
          <Icon name="leave" />
        </button>
      </TopFacts>
    </header>
  );
}

/** What waits, what is done and whether the line is up; then whose screen it is, help, and what else there is. */
export function TopFacts({
  state: { queue, answered, cases, connection },
  dispatch,
  who = null,
  children = null,
}: TopBarProps & { readonly who?: ComponentChildren; readonly children?: ComponentChildren }): JSX.Element {
  // What is before the reviewer waits as well; it is theirs already.
  const waiting = (queue?.waiting ?? 0) + cases.length;
  return (
    <div class="top-facts">
      <span class="count" data-testid="waiting">
        {waitingText(waiting, queue?.more ?? false)}
      </span>
      <span class="count quiet" data-testid="answered">
        {answered} answered
      </span>
      <span class={connection.isUp ? "link-state up" : "link-state down"}>
        <i aria-hidden="true" />
        {connection.isUp ? "Online" : connection.isFault ? "Failing" : "Offline"}
      </span>
      {who}
      <button
        class="round"
        type="button"
        title="Keyboard help (?)"
        aria-label="Keyboard help"
        onClick={() => dispatch({ kind: "helpToggled" })}
      >
        <Icon name="question" />
      </button>
      {children}
    </div>
  );
}
