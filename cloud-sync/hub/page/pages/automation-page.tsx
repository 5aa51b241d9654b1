import { type JSX } from "preact";
import { useMemo } from "preact/hooks";
import { labelText, percentText } from "../../../review/page/wording.ts";
import { stats, type DecisionStep, type StepsQuery } from "../api.web.ts";
import { Chart } from "../parts/chart.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { SelectField } from "../parts/form.tsx";
import { useLoaded } from "../parts/loading.ts";
import { Empty, NotYet, PageHead, Stat } from "../parts/parts.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { addressOf } from "../router.ts";
import { Share } from "../parts/share.tsx";
import { useSite } from "../site.ts";
import { alignedSteps, byGroup, totalOf } from "../steps.ts";
import { countText, shortTimeText } from "../words.ts";

const dayMs = 86_400_000;
const spans = { "1": "24 hours", "7": "7 days", "30": "30 days", "365": "A year" } as const;
const everyMs = 60_000;

/** Automated against human over time. */
export function AutomationPage(): JSX.Element {
  const { place, go } = useSite();
  const days = place.query.get("days") ?? "7";
  const by = place.query.get("by") === "store" ? "store" : "task";
  const store = place.query.get("store");
  const task = place.query.get("task");
  const key = JSON.stringify([days, by, store, task]);
  const query = useMemo(() => queryOf(Number(days), store, task), [key]);
  const all = useLoaded(`steps ${key}`, () => stats.decisions(query), everyMs);
  const grouped = useLoaded(`groups ${key}`, () => stats.decisions({ ...query, step: "day", by }), everyMs);
  const choose = (change: Readonly<Record<string, string | null>>): void =>
    go(addressOf("automation", null, { days, by, store, task, ...change }), "replace");
  return (
    <main id="main" class="page">
      <PageHead title="Automation" about="What models decided by themselves, and what people were asked.">
        <a class="plain" href={stats.csvAddress(query)} download data-outside>
          CSV
        </a>
      </PageHead>
      <div class="filters">
        <SelectField
          {...{ label: "Time", value: days, options: Object.entries(spans) }}
          onValue={(value) => choose({ days: value })}
        />
        <SearchField label="Store" value={store ?? ""} onSettled={(value) => choose({ store: value })} />
        <SearchField label="Task" value={task ?? ""} onSettled={(value) => choose({ task: value })} />
      </div>
      <NotYet loaded={all} />
      {all.value ? <Steps steps={all.value.items} query={query} /> : null}
      {grouped.value && grouped.value.items.length > 0 ? (
        <Groups steps={grouped.value.items} by={by} onBy={(value) => choose({ by: value })} />
      ) : null}
    </main>
  );
}

function queryOf(days: number, store: string | null, task: string | null): StepsQuery {
  const to = Date.now();
  const span = Number.isFinite(days) && days >= 1 && days <= 366 ? days : 7;
  return { from: to - span * dayMs, to, step: span > 14 ? "day" : "hour", by: "all", store, task };
}

function Steps({ steps, query }: { readonly steps: readonly DecisionStep[]; readonly query: StepsQuery }): JSX.Element {
  const aligned = useMemo(() => alignedSteps(steps, query), [steps, query]);
  if (steps.length === 0) return <Empty title="No decision has been reported for this time." />;
  const total = totalOf(steps);
  return (
    <>
      <dl class="stats">
        <Stat name="Decisions" value={countText(total.all)} />
        <Stat name="By the model" value={percentText(total.coverage)} about={countText(total.accepted)} />
        <Stat name="Asked people" value={percentText(total.escalated / total.all)} about={countText(total.escalated)} />
        <Stat name="Safe action" value={percentText(total.abstained / total.all)} about={countText(total.abstained)} />
      </dl>
      <section class="panel-card" aria-labelledby="count-title">
        <h2 id="count-title">{query.step === "hour" ? "Decisions each hour" : "Decisions each day"}</h2>
        <Chart
          label="Decisions over time: by the model, asked of people, safe action"
          atMs={aligned.atMs}
          lines={aligned.counts}
        />
      </section>
      <section class="panel-card" aria-labelledby="share-title">
        <h2 id="share-title">Coverage: the share that nobody had to look at</h2>
        <Chart label="Coverage over time" atMs={aligned.atMs} lines={aligned.coverage} isShare heightPx={180} />
      </section>
      <details class="panel-card">
        <summary>The same as a table</summary>
        <DataTable
          caption="Decisions over time"
          rows={steps}
          keyOf={({ atMs }) => String(atMs)}
          columns={[
            { name: "From", cell: ({ atMs }) => shortTimeText(atMs) },
            { name: "By the model", cell: ({ accepted }) => countText(accepted), isNumber: true },
            { name: "Asked people", cell: ({ escalated }) => countText(escalated), isNumber: true },
            { name: "Safe action", cell: ({ abstained }) => countText(abstained), isNumber: true },
          ]}
        />
      </details>
    </>
  );
}

interface GroupsProps {
  readonly steps: readonly DecisionStep[];
  readonly by: "task" | "store";
  readonly onBy: (by: string) => void;
}

function Groups({ steps, by, onBy }: GroupsProps): JSX.Element {
  const rows = useMemo(() => byGroup(steps), [steps]);
  return (
    <section class="panel-card" aria-labelledby="groups-title">
      <div class="card-head">
        <h2 id="groups-title">{by === "task" ? "By task" : "By store"}</h2>
        <SelectField
          {...{ label: "Group by", isBare: true, value: by, onValue: onBy }}
          options={[
            ["task", "By task"],
            ["store", "By store"],
          ]}
        />
      </div>
      <DataTable
        caption={by === "task" ? "Decisions by task" : "Decisions by store"}
        rows={rows}
        keyOf={({ group }) => group}
        columns={[
          { name: by === "task" ? "Task" : "Store", cell: ({ group }) => (by === "task" ? labelText(group) : group) },
          { name: "Decisions", cell: ({ all }) => countText(all), isNumber: true },
          { name: "Asked people", cell: ({ escalated }) => countText(escalated), isNumber: true },
          { name: "Coverage", cell: ({ coverage }) => <Share share={coverage} /> },
        ]}
      />
    </section>
  );
}
