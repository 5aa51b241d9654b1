import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { gates, type GateDetail, type GateOf } from "../gates-api.web.ts";
import { gateText } from "../gate-words.ts";
import { Form, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { useSite } from "../site.ts";

interface RaiseProps {
  readonly gate: GateDetail;
  readonly of: GateOf;
  readonly reload: () => void;
}

/** Raises a gate threshold at once, and takes a raise back; only evidence lowers one. */
export function RaiseButtons(props: RaiseProps): JSX.Element | null {
  const [open, setOpen] = useState<"raise" | "take_back" | null>(null);
  const { state } = props.gate;
  if (state === null) return null;
  const close = (): void => setOpen(null);
  return (
    <>
      {state.raised === null ? null : (
        <button type="button" class="plain" onClick={() => setOpen("take_back")}>
          Take the raise back
        </button>
      )}
      {state.raised === "people" ? null : (
        <button type="button" class="plain" onClick={() => setOpen("raise")}>
          Raise
        </button>
      )}
      {open === "raise" ? <RaiseDialog {...props} onClose={close} /> : null}
      {open === "take_back" ? <TakeBackDialog {...props} onClose={close} /> : null}
    </>
  );
}

type DialogProps = RaiseProps & { readonly onClose: () => void };

function RaiseDialog(props: DialogProps): JSX.Element {
  const [to, setTo] = useState("");
  const [why, setWhy] = useState("");
  const { problem, say, send } = useRaise(props, "Raised; the agents are told.");
  const submit = (): void => {
    const number = to.trim() === "" ? null : Number(to);
    if (number !== null && !(number >= 0 && number <= 1)) say("A gate threshold is a number from 0 to 1.");
    else send(number, why);
  };
  return (
    <Modal title="Raise the gate threshold" onClose={props.onClose}>
      <p>
        Now: {gateText(props.gate.state?.gateThreshold ?? null)}. It holds until it is taken back; evidence alone lowers
        one.
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

function TakeBackDialog(props: DialogProps): JSX.Element {
  const [why, setWhy] = useState("");
  const { problem, send } = useRaise(props, "Taken back; the agents are told.");
  const raised = props.gate.state?.raised ?? null;
  return (
    <Modal title="Take the raise back" onClose={props.onClose}>
      <p>
        Raised by hand to: {gateText(raised === "people" ? null : raised)}. Without the raise the gate threshold is what
        the evidence proves.
      </p>
      <Form onSubmit={() => send("evidence", why)} problem={problem}>
        <TextField label="Why" value={why} onValue={setWhy} isRequired autoFocus />
        <button type="submit" class="primary">
          Take it back
        </button>
      </Form>
    </Modal>
  );
}

function useRaise({ gate, of, reload, onClose }: DialogProps, done: string) {
  const { tell } = useSite();
  const [problem, setProblem] = useState<string | null>(null);
  const send = (gateThreshold: number | "evidence" | null, why: string): void => {
    if (why.trim() === "") {
      setProblem("Say why: it stands in the audit log.");
      return;
    }
    void gates.raise(gate.task, of, { gateThreshold, why: why.trim() }).then((answered) => {
      if (answered === null) {
        setProblem("The hub cannot be reached. Nothing was changed.");
        return;
      }
      if (!answered.ok) {
        setProblem(`${answered.message}. ${answered.hint}`);
        return;
      }
      tell(done);
      reload();
      onClose();
    });
  };
  return { problem, say: setProblem, send };
}
