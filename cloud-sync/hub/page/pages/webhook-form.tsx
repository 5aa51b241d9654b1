import { type JSX } from "preact";
import { useState } from "preact/hooks";
import type { HubEventType } from "../../webhooks/hub-event.ts";
import type { Answered } from "../ask.web.ts";
import { fieldProblemOf, type FieldProblem } from "../field-problem.ts";
import { CheckList, Form, scopeOf, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { webhooks } from "../settings-api.web.ts";
import { eventOptions } from "../webhook-words.ts";
import { problemOf } from "./person-form.tsx";

export interface WebhookFormProps {
  readonly onClose: () => void;
  readonly onMade: (secret: string) => void;
}

const fields = ["url", "events", "stores"] as const;
type Field = (typeof fields)[number];

export function WebhookForm({ onClose, onMade }: WebhookFormProps): JSX.Element {
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState<readonly HubEventType[]>([]);
  const [stores, setStores] = useState("");
  const [wrong, setWrong] = useState<FieldProblem<Field> | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const problemAt = (field: Field): string | null => (wrong?.field === field ? wrong.text : null);
  const save = async (): Promise<void> => {
    const answered = await webhooks.add({ url: url.trim(), events, stores: scopeOf(stores) });
    if (answered?.ok) {
      onMade(answered.value.secret);
      return;
    }
    const found = addressProblemOf(answered) ?? fieldProblemOf(answered, fields);
    setWrong(found);
    setProblem(found === null ? problemOf(answered) : null);
  };
  return (
    <Modal title="New webhook" onClose={onClose} isWide>
      <Form onSubmit={() => void save()} problem={problem}>
        <TextField
          {...{ label: "Address", inputMode: "url", maxLength: 2000, problem: problemAt("url") }}
          about="An https address of the public internet, or one that this hub was started to allow."
          value={url}
          onValue={setUrl}
          isRequired
          autoFocus
        />
        <CheckList
          {...{ label: "Events", options: eventOptions, problem: problemAt("events") }}
          chosen={events}
          onChosen={setEvents}
        />
        <TextField
          {...{ label: "Stores", maxLength: 4000, problem: problemAt("stores") }}
          about="Names with commas between them. Blank: every store, and what is of the whole fleet."
          value={stores}
          onValue={setStores}
        />
        <div class="modal-foot">
          <button type="submit" class="primary small">
            Make the webhook
          </button>
        </div>
      </Form>
    </Modal>
  );
}

/** Whoever sees this form may make webhooks: what is forbidden is the address. */
function addressProblemOf(answered: Answered<unknown>): FieldProblem<Field> | null {
  const isForbidden = answered?.ok === false && answered.code === "HP_FORBIDDEN";
  return isForbidden ? { field: "url", text: problemOf(answered) } : null;
}
