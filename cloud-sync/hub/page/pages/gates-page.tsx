import { type JSX } from "preact";
import { labelText } from "../../../review/page/wording.ts";
import { gates, type GateLine } from "../gates-api.web.ts";
import { gateText, shareText, stateWords } from "../gate-words.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { useLive } from "../parts/live.web.ts";
import { usePages } from "../parts/loading.ts";
import { Ago, Badge, Empty, MoreButton, NotYet, PageHead } from "../parts/parts.tsx";
import { addressOf } from "../router.ts";
import { useSite } from "../site.ts";
import { countText, plural } from "../words.ts";
import { GatePage } from "./gate-page.tsx";
import { ProposalList } from "./gate-proposals.tsx";

const everyMs = 30_000;

/** Every gate: what was promised, and what is proved of it. */
export function GatesPage(): JSX.Element {
  const { place } = useSite();
  return place.id === null ? <GateList /> : <GatePage key={place.id} task={place.id} />;
}

export function gateAddress({ task, level, scope, label, rung }: GateLine): string {
  return addressOf("gates", task, {
    ...{ store: level === "store" ? scope : null, region: level === "region" ? scope : null, label },
    rung: rung === "fine" ? null : rung,
  });
}

function scopeText({ level, scope, stores }: Pick<GateLine, "level" | "scope" | "stores">): string {
  if (level === "store") return scope;
  return `${level === "fleet" ? "Fleet" : `Region ${scope}`}, ${plural(stores, "store")}`;
}

const columns: readonly Column<GateLine>[] = [
  { name: "Task", cell: ({ task, label, rung }) => <TaskName {...{ task, label, rung }} /> },
  { name: "Of", cell: (line) => scopeText(line) },
  { name: "Promise", cell: ({ contract }) => (contract ? `at most ${shareText(contract.maxError)} wrong` : "none") },
  { name: "State", cell: (line) => <State line={line} /> },
  {
    name: "Gate threshold",
    cell: ({ state }) => (state ? gateText(state.gateThreshold) : <span class="quiet">–</span>),
    isNumber: true,
  },
  { name: "Labels", cell: ({ state }) => labelsText(state), isNumber: true },
  { name: "Issued", cell: ({ state }) => (state?.issuedMs ? <Ago atMs={state.issuedMs} /> : ""), isMinor: true },
];

/** "120 of 219" until the launch. */
function labelsText(state: GateLine["state"]): string {
  const labels = state?.labels ?? 0;
  return state?.labelsMissing
    ? `${countText(labels)} of ${countText(labels + state.labelsMissing)}`
    : countText(labels);
}

export function TaskName({ task, label, rung }: Pick<GateLine, "task" | "label" | "rung">): JSX.Element {
  return (
    <>
      {labelText(task)}
      {label === null ? null : <span class="quiet"> {labelText(label)}</span>}
      {rung === "coarse" ? <span class="quiet"> coarse</span> : null}
    </>
  );
}

function State({ line }: { readonly line: GateLine }): JSX.Element {
  const { text, tone } = stateWords(line);
  return <Badge tone={tone}>{text}</Badge>;
}

function GateList(): JSX.Element {
  const loaded = usePages("gates", (cursor) => gates.list(cursor), everyMs);
  useLive("gates", loaded.reload);
  const { value } = loaded;
  const proved =
    // What is stopped or raised by hand is proved as well; what is not kept counts as nothing.
    value?.filter(({ state, overdueSinceMs }) => overdueSinceMs === null && state?.kind === "certified").length ?? 0;
  return (
    <main id="main" class="page">
      <PageHead
        title="Gates"
        about={value === null ? undefined : `${plural(value.length, "gate")}, ${countText(proved)} certified`}
      />
      <NotYet loaded={loaded} />
      {value?.length === 0 ? (
        <Empty title="No task is under a contract, and no label has come.">
          Put one under a contract in the <a href={addressOf("config")}>config</a>, for at most 1 % wrong:{" "}
          <code>{"thresholds: { <task>: { max_error: 0.01 } }"}</code>.
        </Empty>
      ) : null}
      {value !== null && value.length > 0 ? (
        <DataTable
          {...{ caption: "Gates", columns, rows: value, addressOf: gateAddress }}
          keyOf={({ task, level, scope, label, rung }) => [task, level, scope, label, rung].join("\n")}
        />
      ) : null}
      <MoreButton loaded={loaded} />
      <ProposalList task={null} />
    </main>
  );
}
