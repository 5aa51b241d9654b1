import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { labelText } from "../../../review/page/wording.ts";
import type { StoreStory } from "../../fleet/store-story.ts";
import { fleet } from "../api.web.ts";
import { DataTable } from "../parts/data-table.tsx";
import { useLoaded } from "../parts/loading.ts";
import { Ago, Empty, NotYet, PageHead, Stat } from "../parts/parts.tsx";
import { layerAddress } from "../layer-names.ts";
import { may } from "../session.ts";
import { Share } from "../parts/share.tsx";
import { useSite } from "../site.ts";
import { countText, plural } from "../words.ts";
import { AgentCard } from "./agent-card.tsx";
import { StoreGates } from "./store-gates.tsx";
import { EnrolDialog } from "./enrol-dialog.tsx";

const everyMs = 10_000;

/** Everything that the hub knows of one store. */
export function StorePage({ store }: { readonly store: string }): JSX.Element {
  const { me } = useSite();
  const loaded = useLoaded(`store ${store}`, () => fleet.store(store), everyMs);
  const [isOpen, setOpen] = useState(false);
  const { value } = loaded;
  return (
    <main id="main" class="page">
      <PageHead title={store} about={value?.region ? `Region ${value.region}` : undefined}>
        {may(me, "config.read") ? (
          <a class="plain" href={layerAddress({ layer: "store", scope: store })}>
            Config
          </a>
        ) : null}
        {may(me, "fleet.write") ? (
          <button type="button" class="plain" onClick={() => setOpen(true)}>
            Enrol a box
          </button>
        ) : null}
      </PageHead>
      <NotYet loaded={loaded} />
      {value ? <Story story={value} reload={loaded.reload} /> : null}
      {value && may(me, "config.read") ? <StoreGates store={store} /> : null}
      {isOpen ? <EnrolDialog store={store} onClose={() => setOpen(false)} /> : null}
    </main>
  );
}

function Story({ story, reload }: { readonly story: StoreStory; readonly reload: () => void }): JSX.Element {
  const { agents, online, pending, casesWaiting, oldestMs, coverage } = story;
  const active = agents.filter(({ state }) => state !== "revoked").length;
  return (
    <>
      <dl class="stats">
        <Stat name="Agents online" value={`${online} of ${active}`} tone={online < active ? "bad" : ""} />
        <Stat
          name="Not received yet"
          value={countText(pending)}
          tone={pending > 0 ? "warn" : ""}
          about="rows of the journals"
        />
        <Stat name="Waiting for people" value={countText(casesWaiting)} />
        <Stat name="Oldest waiting" value={oldestMs === null ? "none" : <Ago atMs={oldestMs} />} />
      </dl>
      {agents.length === 0 ? <Empty title="No box of this store is enrolled." /> : null}
      {agents.map((agent) => (
        <AgentCard key={agent.id} agent={agent} reload={reload} />
      ))}
      <section class="panel-card" aria-labelledby="coverage-title">
        <h2 id="coverage-title">Decisions of the last 24 hours</h2>
        {coverage.length === 0 ? (
          <p class="quiet">None has been reported.</p>
        ) : (
          <DataTable
            caption="Decisions by task"
            rows={coverage}
            keyOf={({ task }) => task}
            columns={[
              { name: "Task", cell: ({ task }) => labelText(task) },
              { name: "By the model", cell: ({ accepted }) => countText(accepted), isNumber: true },
              { name: "Asked people", cell: ({ escalated }) => countText(escalated), isNumber: true },
              { name: "Safe action", cell: ({ abstained }) => countText(abstained), isNumber: true },
              { name: "Coverage", cell: ({ share }) => <Share share={share} /> },
            ]}
          />
        )}
      </section>
      <p class="quiet">
        {plural(agents.length, "agent")} known; shown anew every {everyMs / 1000} s.
      </p>
    </>
  );
}
