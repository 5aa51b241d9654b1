import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { fleet, type EnrolToken } from "../api.web.ts";
import { Form, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { OnceShown } from "../parts/parts.tsx";
import { timeText } from "../words.ts";
import { problemOf } from "./person-form.tsx";

/** Makes the token with which one box enrols once. */
export function EnrolDialog({ store, onClose }: { readonly store: string; readonly onClose: () => void }): JSX.Element {
  const [name, setName] = useState(store);
  const [agent, setAgent] = useState("agent-1");
  const [problem, setProblem] = useState<string | null>(null);
  const [made, setMade] = useState<EnrolToken | null>(null);
  const save = async (): Promise<void> => {
    const answered = await fleet.enrolToken(name.trim(), agent.trim());
    if (answered?.ok) setMade(answered.value);
    else setProblem(problemOf(answered));
  };
  return (
    <Modal title="Enrol a box" onClose={onClose}>
      {made === null ? (
        <Form onSubmit={() => void save()} problem={problem}>
          <TextField label="Store" value={name} onValue={setName} maxLength={64} isRequired autoFocus={store === ""} />
          <TextField label="Name of the agent" value={agent} onValue={setAgent} maxLength={64} isRequired />
          <div class="modal-foot">
            <button type="submit" class="primary small">
              Make the token
            </button>
          </div>
        </Form>
      ) : (
        <>
          <p>
            For the agent <strong>{made.agent}</strong> of <strong>{made.store}</strong>. It is good once, and shown
            only now.
          </p>
          <OnceShown name="Token" text={made.token} />
          <p class="quiet">Good until {timeText(made.expiresMs)}.</p>
          <div class="modal-foot">
            <button type="button" class="primary small" onClick={onClose}>
              Done
            </button>
          </div>
        </>
      )}
    </Modal>
  );
}
