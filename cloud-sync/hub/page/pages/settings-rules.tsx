import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { labelText, percentText } from "../../../review/page/wording.ts";
import type { ReviewRules } from "../../review/review-rules.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { useLoaded } from "../parts/loading.ts";
import { Ago, Empty, NotYet, PageHead } from "../parts/parts.tsx";
import { ruleTexts } from "../rule-words.ts";
import { may } from "../session.ts";
import { reviewRules, type TaskRules } from "../settings-api.web.ts";
import { useSite } from "../site.ts";
import { RulesForm } from "./rules-form.tsx";
import { SettingsNav } from "./settings-nav.tsx";

/** How the cases of each task are reviewed, and what each rule means. */
export function RulesSettings(): JSX.Element {
  const { me, tell } = useSite();
  const loaded = useLoaded("review rules", reviewRules.list);
  const [open, setOpen] = useState<TaskRules | "new" | null>(null);
  // The rules of a task are the same in every store.
  const canWrite = may(me, "settings.write") && me.person.stores === null;
  const { value } = loaded;
  return (
    <main id="main" class="page">
      <PageHead title="Review rules" about="How many people look at a case, and how they are measured, task by task.">
        {canWrite && value !== null ? (
          <button type="button" class="plain" onClick={() => setOpen("new")}>
            Another task
          </button>
        ) : null}
      </PageHead>
      <SettingsNav />
      <NotYet loaded={loaded} />
      {value?.tasks.length === 0 ? (
        <Empty title="No task has sent a case yet.">
          Each begins with rules that hold until somebody changes them.
        </Empty>
      ) : null}
      {value !== null && value.tasks.length > 0 ? (
        <DataTable
          caption="Rules of each task"
          columns={columnsOf(canWrite ? setOpen : null)}
          rows={value.tasks}
          keyOf={({ task }) => task}
        />
      ) : null}
      <Meanings />
      {open !== null && value !== null ? (
        <RulesForm
          of={open === "new" ? { task: null, rules: value.defaults } : open}
          onClose={() => setOpen(null)}
          onDone={(task) => {
            setOpen(null);
            tell(`New cases of ${labelText(task)} are reviewed by these rules.`);
            loaded.reload();
          }}
        />
      ) : null}
    </main>
  );
}

function columnsOf(open: ((rules: TaskRules) => void) | null): readonly Column<TaskRules>[] {
  return [
    { name: "Task", cell: (one) => <TaskCell {...{ one, open }} /> },
    { name: "Reviewers", cell: ({ rules }) => rules.reviewersNeeded, isNumber: true },
    {
      name: "Where they differ",
      cell: ({ rules }) => (rules.adjudication ? "a lead decides" : "the majority decides"),
    },
    { name: "Gold", cell: ({ rules }) => percentText(rules.goldShare), isNumber: true },
    { name: "Second opinions", cell: ({ rules }) => percentText(rules.secondOpinionShare), isNumber: true },
    { name: "Skill", cell: ({ rules }) => rules.skill ?? <span class="quiet">anybody</span> },
    {
      name: "Changed",
      cell: ({ changedMs }) => (changedMs === null ? <span class="quiet">never</span> : <Ago atMs={changedMs} />),
      isMinor: true,
    },
  ];
}

function TaskCell(props: {
  readonly one: TaskRules;
  readonly open: ((rules: TaskRules) => void) | null;
}): JSX.Element | string {
  const { one, open } = props;
  if (open === null) return labelText(one.task);
  return (
    <button type="button" class="row-link" onClick={() => open(one)}>
      {labelText(one.task)}
    </button>
  );
}

function Meanings(): JSX.Element {
  return (
    <section class="panel-card" aria-labelledby="meanings-title">
      <h2 id="meanings-title">What the rules mean</h2>
      <dl class="meanings">
        {(Object.keys(ruleTexts) as (keyof ReviewRules)[]).map((key) => (
          <div key={key}>
            <dt>{ruleTexts[key].name}</dt>
            <dd>{ruleTexts[key].about}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">A change is for new cases. What is under way keeps its rules.</p>
    </section>
  );
}
