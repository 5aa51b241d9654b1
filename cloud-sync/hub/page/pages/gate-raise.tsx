import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { gates, type GateDetail, type GateOf } from "../gates-api.web.ts";
import { gateText } from "../gate-words.ts";
import { Form, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { useSite } from "../site.ts";

/** Raises a gate threshold at once; only evidence lowers one. */
export function RaiseButton(props: {
  readonly gate: GateDetail;
  readonly of: GateOf;
  readonly reload: () => void;
}): JSX.Element | null {
  const [isOpen, setOpen] = useState(false);
  if (props.gate.state === null) return null;
  return (
    <>
      <button type="button" class="plain" onClick={() => setOpen(true)}>
        Raise
      </button>
      {isOpen ? <RaiseDialog {...props} onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function RaiseDialog(props: {
  readonly gate: GateDetail;
  readonly of: GateOf;
  readonly reload: () => void;
  readonly onClose: () => void;
}): JSX.Element {
  const { gate, of } = props;
  const { tell } = useSite();
  const [to, setTo] = useState("");
  const [why, setWhy] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (): void => {
    const number = to.trim() === "" ? null : Number(to);
    if (number !== null && !(number >= 0 && number <= 1)) {
      setProblem("A gate threshold is a number from 0 to 1.");
      return;
    }
    if (why.trim() === "") {
      setProblem("Say why: it stands in the audit log.");
      return;
    }
    void gates.raise(gate.task, of, { gateThreshold: number, why: why.trim() }).then((answered) => {
      if (answered === null) {
        setProblem("The hub cannot be reached. Nothing was changed.");
        return;
      }
      if (!answered.ok) {
        setProblem(`${answered.message}. ${answered.hint}`);
        return;
      }
      tell("Raised; the agents are told.");
      props.reload();
      props.onClose();
    });
  };
  return (
    <Modal title="Raise the gate threshold" onClose={props.onClose}>
      <p>
        Now: {gateText(gate.state?.gateThreshold ?? null)}. It holds until it is taken back; evidence alone lowers one.
      </p>
      <Form onSubmit={submit} problem={problem}>
        <TextField label="To" value={to} onValue={setTo} about="Blank: nothing is accepted any more." autoFocus />
        <TextField label="Why" value={why} onValue={setWhy} isRequired />
        <button type="submit" class="primary">
          Raise it
        </button>
      </Form>
    </Modal>
  );
}
