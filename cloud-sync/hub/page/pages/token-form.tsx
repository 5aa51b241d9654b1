import { type JSX } from "preact";
import { useState } from "preact/hooks";
import type { Role } from "../../api/caller.ts";
import { tokens } from "../api.web.ts";
import { CheckList, Form, SelectField, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { problemOf, roleTexts } from "./person-form.tsx";

const dayMs = 86_400_000;

const validities: readonly (readonly [string, string])[] = [
  [String(30 * dayMs), "30 days"],
  [String(365 * dayMs), "A year"],
  ["", "Until it is revoked"],
];

export function TokenForm(props: {
  readonly onClose: () => void;
  readonly onMade: (token: string) => void;
}): JSX.Element {
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<readonly Role[]>(["operator"]);
  const [valid, setValid] = useState(String(365 * dayMs));
  const [problem, setProblem] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    const answered = await tokens.add({ name, roles, validMs: valid === "" ? null : Number(valid) });
    if (answered?.ok) props.onMade(answered.value.token);
    else setProblem(problemOf(answered));
  };
  return (
    <Modal title="New token" onClose={props.onClose}>
      <Form onSubmit={() => void save()} problem={problem}>
        <TextField label="Name of the program" value={name} onValue={setName} maxLength={100} isRequired autoFocus />
        <CheckList label="Roles" options={roleTexts} chosen={roles} onChosen={setRoles} />
        <SelectField label="Good for" value={valid} options={validities} onValue={setValid} />
        <div class="modal-foot">
          <button type="submit" class="primary small">
            Make the token
          </button>
        </div>
      </Form>
    </Modal>
  );
}
