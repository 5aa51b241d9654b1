import { type JSX } from "preact";
import { gates, type GateLine } from "../gates-api.web.ts";
import { gateText, shareText, stateWords } from "../gate-words.ts";
import { DataTable } from "../parts/data-table.tsx";
import { useLive } from "../parts/live.web.ts";
import { usePages } from "../parts/loading.ts";
import { Badge, MoreButton, NotYet } from "../parts/parts.tsx";
import { durationText } from "../words.ts";
import { gateAddress, TaskName } from "./gates-page.tsx";

const everyMs = 30_000;

/** The gates that hold in one store: which is certified, which lets nothing through, and why. */
export function StoreGates({ store }: { readonly store: string }): JSX.Element | null {
  const loaded = usePages(`gates of ${store}`, (cursor) => gates.list(cursor, store), everyMs);
  useLive("gates", loaded.reload);
  const { value } = loaded;
  if (value?.length === 0) return null;
  return (
    <section class="panel-card" aria-labelledby="gates-title">
      <h2 id="gates-title">Gates</h2>
      <NotYet loaded={loaded} />
      {value === null ? null : (
        <DataTable
          caption="Gates that hold in this store"
          rows={value}
          keyOf={(line) => gateAddress(line)}
          columns={[
            {
              name: "Task",
              cell: (line) => (
                <a href={gateAddress(line)}>
                  <TaskName {...line} />
                </a>
              ),
            },
            {
              name: "Promise",
              cell: ({ contract }) => (contract ? `≤ ${shareText(contract.maxError)} wrong` : "none"),
            },
            { name: "State", cell: (line) => <State line={line} /> },
            { name: "Gate threshold", cell: (line) => hereText(line), isNumber: true },
            {
              name: "Lapses",
              cell: ({ state }) => (state?.lapseMs ? `in ${durationText(state.lapseMs - Date.now())}` : "–"),
              isMinor: true,
            },
          ]}
        />
      )}
      <MoreButton loaded={loaded} />
    </section>
  );
}

function State({ line }: { readonly line: GateLine }): JSX.Element {
  const { state, overdueSinceMs, cap } = line;
  const { text, tone, about } = stateWords(line);
  const isStopped = overdueSinceMs === null && state?.kind === "certified" && cap?.gateThreshold === null;
  return (
    <>
      <Badge tone={isStopped ? "bad" : tone}>{isStopped ? "stopped here" : text}</Badge>{" "}
      <span class="quiet">
        {isStopped ? "This store's own labels do not bear the group's gate threshold: people decide." : about}
      </span>
    </>
  );
}

/** What the gate compares in this store: the group's gate threshold, or the store's own cap where that is higher. */
function hereText({ state, contract, cap }: GateLine): string {
  if (state === null) return contract === null ? "–" : gateText(null);
  if (cap === null || state.gateThreshold === null) return gateText(state.gateThreshold);
  return gateText(cap.gateThreshold === null ? null : Math.max(cap.gateThreshold, state.gateThreshold));
}
