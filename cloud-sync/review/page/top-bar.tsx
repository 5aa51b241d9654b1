import { type JSX } from "preact";
import { Icon, Mark } from "./icons.tsx";
import { type PageEvent, type PageState } from "./state.ts";
import { waitingText } from "./wording.ts";

export interface TopBarProps {
  readonly state: PageState;
  readonly dispatch: (event: PageEvent) => void;
}

export function TopBar({ state, dispatch }: TopBarProps): JSX.Element {
  const { session, queue, answered, cases, connection } = state;
  // What is before the reviewer waits as well; it is theirs already.
  const waiting = (queue?.waiting ?? 0) + cases.length;
  return (
    <header class="top-bar">
      <div class="brand">
        <Mark />
        <span class="brand-name">Holdpoint</span>
        <span class="brand-store">{session?.store}</span>
      </div>
      <div class="top-facts">
        <span class="count" data-testid="waiting">
          {waitingText(waiting, queue?.more ?? false)}
        </span>
        <span class="count quiet" data-testid="answered">
          {answered} answered
        </span>
        <span class={connection.isUp ? "link-state up" : "link-state down"}>
          <i aria-hidden="true" />
          {connection.isUp ? "Online" : "Offline"}
        </span>
        <span class="reviewer">{session?.reviewer}</span>
        <button
          class="round"
          type="button"
          title="Keyboard help (?)"
          aria-label="Keyboard help"
          onClick={() => dispatch({ kind: "helpToggled" })}
        >
          <Icon name="question" />
        </button>
        <button
          class="round"
          type="button"
          title="Sign out"
          aria-label="Sign out"
          onClick={() => dispatch({ kind: "leavePressed" })}
        >
          <Icon name="leave" />
        </button>
      </div>
    </header>
  );
}
