import { type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Reviewing, Starting } from "../../../review/page/app.tsx";
import { startShell } from "../../../review/page/shell.web.ts";
import { type PageEvent, type PageState, type QueueFilter } from "../../../review/page/state.ts";
import { TopFacts } from "../../../review/page/top-bar.tsx";
import { labelText } from "../../../review/page/wording.ts";
import { SelectField } from "../parts/form.tsx";
import { addressOf } from "../router.ts";
import { useSite } from "../site.ts";

interface Drawn {
  readonly state: PageState;
  readonly dispatch: (event: PageEvent) => void;
}

const features = { lookAlikes: true, escalate: true };

/** The review screen of the store, with what a hub adds: a part of the queue to choose, look-alikes, a lead to ask. */
export function ReviewPage(): JSX.Element {
  const { place, sessionIs } = useSite();
  const [drawn, setDrawn] = useState<Drawn | null>(null);
  const filter: QueueFilter = { store: place.query.get("store"), task: place.query.get("task") };
  useEffect(() => {
    document.title = "Review · Holdpoint";
    const shell = startShell((state, dispatch) => setDrawn({ state, dispatch }), { features, filter });
    return () => shell.stop();
  }, []);
  const isSignedOut = drawn?.state.screen === "pairing";
  useEffect(() => {
    if (isSignedOut) sessionIs(null);
  }, [isSignedOut]);
  const wanted = JSON.stringify(filter);
  useEffect(() => {
    if (drawn && JSON.stringify(drawn.state.filter) !== wanted) drawn.dispatch({ kind: "filterChosen", filter });
  }, [wanted, drawn === null]);
  return (
    <div id="main" class="review-room">
      {drawn === null || drawn.state.screen !== "reviewing" ? (
        drawn && <Starting state={drawn.state} dispatch={drawn.dispatch} />
      ) : (
        <Reviewing state={drawn.state} dispatch={drawn.dispatch} topBar={<ReviewBar {...drawn} filter={filter} />} />
      )}
    </div>
  );
}

function ReviewBar({ state, dispatch, filter }: Drawn & { readonly filter: QueueFilter }): JSX.Element {
  const { go, me } = useSite();
  const { queue } = state;
  const choose = (change: Partial<QueueFilter>): void =>
    go(addressOf("review", null, { ...filter, ...change }), "replace");
  const tasks = namesOf(me.person.tasks ?? queue?.tasks.map(({ task }) => task) ?? [], filter.task);
  const stores = namesOf(me.person.stores ?? [], filter.store);
  return (
    <header class="top-bar">
      <div class="review-picks">
        <h1 class="visually-hidden">Review</h1>
        <SelectField
          {...{ label: "Task", isBare: true, value: filter.task ?? "" }}
          options={[["", "All tasks"], ...tasks.map((task) => [task, labelText(task)] as const)]}
          onValue={(task) => choose({ task: task === "" ? null : task })}
        />
        {stores.length > 0 ? (
          <SelectField
            {...{ label: "Store", isBare: true, value: filter.store ?? "" }}
            options={[["", "All stores"], ...stores.map((store) => [store, store] as const)]}
            onValue={(store) => choose({ store: store === "" ? null : store })}
          />
        ) : null}
      </div>
      <TopFacts {...{ state, dispatch }} />
    </header>
  );
}

/** What can be chosen, and what is chosen even where it is none of it. */
function namesOf(names: readonly string[], chosen: string | null): readonly string[] {
  return chosen === null || names.includes(chosen) ? names : [...names, chosen];
}
