import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { labelText } from "../../../review/page/wording.ts";
import type { ReviewRules } from "../../review/review-rules.ts";
import { fieldProblemOf, typedNumber, type FieldProblem } from "../field-problem.ts";
import { Form, SelectField, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { ruleTexts } from "../rule-words.ts";
import { reviewRules, type TypedRules } from "../settings-api.web.ts";
import { problemOf } from "./person-form.tsx";

export interface RulesFormProps {
  /** `task` null: one that has sent nothing yet. */
  readonly of: { readonly task: string | null; readonly rules: ReviewRules };
  readonly onClose: () => void;
  readonly onDone: (task: string) => void;
}

type Draft = Readonly<Record<Exclude<keyof ReviewRules, "adjudication">, string>> & { readonly adjudication: boolean };

const fields = ["task", "reviewersNeeded", "goldShare", "secondOpinionShare", "skill"] as const;

export function RulesForm({ of, onClose, onDone }: RulesFormProps): JSX.Element {
  const [task, setTask] = useState(of.task ?? "");
  const [draft, setDraft] = useState(() => draftOf(of.rules));
  const [wrong, setWrong] = useState<FieldProblem<(typeof fields)[number]> | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const set = (change: Partial<Draft>): void => setDraft({ ...draft, ...change });
  const problemAt = (field: (typeof fields)[number]): string | null => (wrong?.field === field ? wrong.text : null);
  const save = async (): Promise<void> => {
    const named = task.trim();
    // Without a name there would be no address to call.
    if (named === "") {
      setWrong({ field: "task", text: "Name the task." });
      return;
    }
    const answered = await reviewRules.change(named, givenOf(draft));
    if (answered?.ok) {
      onDone(named);
      return;
    }
    const found = fieldProblemOf(answered, fields);
    setWrong(found);
    setProblem(found === null ? problemOf(answered) : null);
  };
  return (
    <Modal title={of.task === null ? "Rules for another task" : labelText(of.task)} onClose={onClose}>
      <Form onSubmit={() => void save()} problem={problem}>
        {of.task === null ? (
          <TextField
            {...{ label: "Task", about: "As the stores' config calls it.", maxLength: 64, problem: problemAt("task") }}
            value={task}
            onValue={setTask}
            isRequired
            autoFocus
          />
        ) : null}
        <RuleField
          {...{ rule: "reviewersNeeded", draft, set, problem: problemAt("reviewersNeeded") }}
          autoFocus={of.task !== null}
        />
        <SelectField
          label={ruleTexts.adjudication.name}
          about={ruleTexts.adjudication.about}
          value={draft.adjudication ? "lead" : "majority"}
          options={[
            ["lead", "A lead decides"],
            ["majority", "The majority decides"],
          ]}
          onValue={(value) => set({ adjudication: value === "lead" })}
        />
        <div class="form-row">
          <RuleField {...{ rule: "goldShare", draft, set, problem: problemAt("goldShare") }} />
          <RuleField {...{ rule: "secondOpinionShare", draft, set, problem: problemAt("secondOpinionShare") }} />
        </div>
        <RuleField {...{ rule: "skill", draft, set, problem: problemAt("skill") }} />
        <div class="modal-foot">
          <button type="submit" class="primary small">
            Save
          </button>
        </div>
      </Form>
    </Modal>
  );
}

function RuleField(props: {
  readonly rule: Exclude<keyof ReviewRules, "adjudication">;
  readonly draft: Draft;
  readonly set: (change: Partial<Draft>) => void;
  readonly problem: string | null;
  readonly autoFocus?: boolean;
}): JSX.Element {
  const { rule, draft, set, problem, autoFocus = false } = props;
  const { name, about } = ruleTexts[rule];
  return (
    <TextField
      {...{ label: name, about, problem, autoFocus, maxLength: 64 }}
      inputMode={rule === "skill" ? "text" : "decimal"}
      value={draft[rule]}
      onValue={(value) => set({ [rule]: value })}
    />
  );
}

function draftOf({ reviewersNeeded, adjudication, goldShare, secondOpinionShare, skill }: ReviewRules): Draft {
  return {
    ...{ reviewersNeeded: String(reviewersNeeded), adjudication },
    ...{ goldShare: String(goldShare), secondOpinionShare: String(secondOpinionShare), skill: skill ?? "" },
  };
}

function givenOf({ reviewersNeeded, adjudication, goldShare, secondOpinionShare, skill }: Draft): TypedRules {
  return {
    ...{ reviewersNeeded: typedNumber(reviewersNeeded), adjudication, goldShare: typedNumber(goldShare) },
    ...{ secondOpinionShare: typedNumber(secondOpinionShare), skill: skill.trim() === "" ? null : skill.trim() },
  };
}
