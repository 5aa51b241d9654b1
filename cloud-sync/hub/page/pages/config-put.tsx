import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { type ConfigCheck, type LayerPut } from "../api.web.ts";
import { type Answered } from "../ask.web.ts";
import { DiffView } from "../parts/diff-view.tsx";
import { Form, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { Changes } from "./config-check.tsx";
import { problemOf } from "./person-form.tsx";

export interface PutProps {
  readonly title: string;
  readonly before: string;
  readonly after: string;
  readonly check: ConfigCheck | null;
  readonly put: (why: string) => Promise<Answered<LayerPut>>;
  readonly onClose: () => void;
}

/** The last look before a text is in force: what is different, where it works, and why it is done. */
export function PutDialog({ title, before, after, check, put, onClose }: PutProps): JSX.Element {
  const [why, setWhy] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    if (why.trim() === "") {
      setProblem("Say why, for those who read the history.");
      return;
    }
    setBusy(true);
    const answered = await put(why.trim());
    if (answered?.ok) return;
    setBusy(false);
    setProblem(problemOf(answered));
  };
  return (
    <Modal title={title} onClose={onClose} isWide>
      <Form onSubmit={() => void save()} problem={problem}>
        <DiffView before={before} after={after} />
        {check?.ok === true ? <Changes check={check} /> : null}
        <TextField label="Why" value={why} onValue={setWhy} maxLength={500} isRequired autoFocus />
        <div class="modal-foot">
          <button type="button" class="plain" onClick={onClose}>
            Not yet
          </button>
          <button type="submit" class="primary small" disabled={isBusy}>
            Put in force
          </button>
        </div>
      </Form>
    </Modal>
  );
}
