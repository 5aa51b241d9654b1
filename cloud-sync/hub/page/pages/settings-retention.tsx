import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { labelText } from "../../../review/page/wording.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { useLoaded } from "../parts/loading.ts";
import { NotYet, PageHead } from "../parts/parts.tsx";
import { may, ownsAll } from "../session.ts";
import { retention, reviewRules } from "../settings-api.web.ts";
import { useSite } from "../site.ts";
import { durationText } from "../words.ts";
import { EdgeRetentionCard } from "./edge-retention.tsx";
import { RetentionForm, type KeptTask } from "./retention-form.tsx";
import { SettingsNav } from "./settings-nav.tsx";

/** How long pictures and details of cases are kept, at the hub and in the stores. */
export function RetentionSettings(): JSX.Element {
  const { me, tell } = useSite();
  const loaded = useLoaded("retention", retention.get);
  const rules = useLoaded("tasks of the retention", reviewRules.list);
  const [open, setOpen] = useState<KeptTask | null>(null);
  const { value } = loaded;
  const known = rules.value?.tasks.map(({ task }) => task) ?? [];
  // What holds for every other task is also of tasks that are not theirs.
  const mayChange = ({ task }: KeptTask): boolean =>
    may(me, "settings.write") && me.person.stores === null && (task !== null || ownsAll(me));
  return (
    <main id="main" class="page">
      <PageHead title="Retention" about="How long the picture and the details of a case are kept after its answer." />
      <SettingsNav />
      <NotYet loaded={loaded} />
      {value === null ? null : (
        <section class="panel-card" aria-labelledby="hub-kept-title">
          <h2 id="hub-kept-title">At the hub</h2>
          <DataTable
            caption="Kept at the hub"
            columns={columnsOf(mayChange, setOpen)}
            rows={keptTasks(value, known)}
            keyOf={({ task }) => task ?? "-"}
          />
          <p class="quiet">
            A case that nobody ever answers is erased 30 days after the time that it would have had with an answer. The
            verdict, its labels, who answered, and the audit log stay.
          </p>
        </section>
      )}
      <EdgeRetentionCard />
      {open !== null && value !== null ? (
        <RetentionForm
          {...{ of: open, everyMs: value.everyMs }}
          onClose={() => setOpen(null)}
          onDone={() => {
            setOpen(null);
            tell("Saved. It holds from now on.");
            loaded.reload();
          }}
        />
      ) : null}
    </main>
  );
}

/** Every other task first, then those that have sent a case or have a time of their own. */
function keptTasks(
  { everyMs, tasks }: { readonly everyMs: number; readonly tasks: readonly { task: string; keepMs: number }[] },
  known: readonly string[],
): readonly KeptTask[] {
  const own = new Map(tasks.map(({ task, keepMs }) => [task, keepMs]));
  const names = [...new Set([...known, ...own.keys()])].sort();
  return [
    { task: null, keepMs: everyMs, isOwn: true },
    ...names.map((task) => ({ task, keepMs: own.get(task) ?? everyMs, isOwn: own.has(task) })),
  ];
}

function columnsOf(
  mayChange: (kept: KeptTask) => boolean,
  open: (kept: KeptTask) => void,
): readonly Column<KeptTask>[] {
  const nameOf = ({ task }: KeptTask): string => (task === null ? "Every other task" : labelText(task));
  return [
    {
      name: "Task",
      cell: (kept) =>
        mayChange(kept) ? (
          <button type="button" class="row-link" onClick={() => open(kept)}>
            {nameOf(kept)}
          </button>
        ) : (
          nameOf(kept)
        ),
    },
    { name: "Kept after the answer", cell: ({ keepMs }) => durationText(keepMs), isNumber: true },
    {
      name: "Set",
      cell: ({ task, isOwn }) =>
        task === null ? "" : isOwn ? "for this task" : <span class="quiet">as every other task</span>,
    },
  ];
}
