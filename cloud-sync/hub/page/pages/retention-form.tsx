import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { labelText } from "../../../review/page/wording.ts";
import { fieldProblemOf, typedNumber } from "../field-problem.ts";
import { Form, SelectField, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { retention } from "../settings-api.web.ts";
import { durationText } from "../words.ts";
import { problemOf } from "./person-form.tsx";

export interface KeptTask {
  /** Null: every task without a time of its own. */
  readonly task: string | null;
  readonly keepMs: number;
  /** It has a time of its own. */
  readonly isOwn: boolean;
}

export interface RetentionFormProps {
  readonly of: KeptTask;
  /** What holds for every other task. */
  readonly everyMs: number;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const units: readonly (readonly [string, string])[] = [
  [String(dayMs), "days"],
  [String(hourMs), "hours"],
];

/** Changes how long content is kept. A shorter time erases, and is asked for twice. */
export function RetentionForm({ of, everyMs, onClose, onDone }: RetentionFormProps): JSX.Element {
  const { task, keepMs: nowMs, isOwn } = of;
  const [unit, setUnit] = useState(nowMs % dayMs === 0 ? dayMs : hourMs);
  const [typed, setTyped] = useState(String(nowMs / unit));
  const [wrong, setWrong] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  /** What would erase and was asked for once. */
  const [warned, setWarned] = useState<{ readonly keepMs: number | null } | null>(null);
  const save = async (keepMs: number | string | null): Promise<void> => {
    const afterMs = keepMs ?? everyMs;
    if (typeof afterMs === "number" && typeof keepMs !== "string" && afterMs < nowMs && warned?.keepMs !== keepMs) {
      setWarned({ keepMs });
      return;
    }
    const answered = await retention.change(task ?? "-", keepMs);
    if (answered?.ok) {
      onDone();
      return;
    }
    const found = fieldProblemOf(answered, ["keepMs"]);
    setWarned(null);
    setWrong(found?.text ?? null);
    setProblem(found === null ? problemOf(answered) : null);
  };
  const change = (text: string, unitMs: number): void => {
    setTyped(text);
    setUnit(unitMs);
    setWarned(null);
  };
  const number = typedNumber(typed);
  return (
    <Modal title={task === null ? "Every other task" : labelText(task)} onClose={onClose}>
      <Form
        onSubmit={() => void save(typeof number === "number" ? Math.round(number * unit) : number)}
        problem={problem}
      >
        <div class="form-row">
          <TextField
            {...{ label: "Kept after the answer", inputMode: "decimal", maxLength: 20, problem: wrong }}
            about="From an hour to ten years."
            value={typed}
            onValue={(text) => change(text, unit)}
            autoFocus
          />
          <SelectField
            {...{ label: "Unit", value: String(unit), options: units }}
            onValue={(value) => change(typed, Number(value))}
          />
        </div>
        {warned === null ? null : (
          <div class="note warn" role="alert">
            <p>
              {durationText(warned.keepMs ?? everyMs)} is less than {durationText(nowMs)}: the picture and the details
              of every case that was answered longer ago are erased within minutes, for good.
            </p>
          </div>
        )}
        <div class="modal-foot">
          {task !== null && isOwn ? (
            <button type="button" class="plain" onClick={() => void save(null)}>
              As every other task
            </button>
          ) : null}
          <button type="submit" class="primary small">
            {warned === null ? "Save" : "Save and erase"}
          </button>
        </div>
      </Form>
    </Modal>
  );
}
