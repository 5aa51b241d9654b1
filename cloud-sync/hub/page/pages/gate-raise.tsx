import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { gates, type GateDetail, type GateOf } from "../gates-api.web.ts";
import { gateText, raiseText } from "../gate-words.ts";
import { ChoiceList, Form, TextField } from "../parts/form.tsx";
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

const choices = [
  ["number", "A gate threshold"],
  ["people", "Nothing is accepted: every decision goes to people"],
] as const;

function RaiseDialog(props: DialogProps): JSX.Element {
  const [choice, setChoice] = useState<"number" | "people">("number");
  const [text, setText] = useState("");
  const [why, setWhy] = useState("");
  const { problem, say, send } = useRaise(props, "Raised; the agents are told.");
  const now = props.gate.state?.gateThreshold ?? null;
  const to = choice === "people" ? null : shareOf(text);
  const submit = (): void => {
    if (to === undefined) say("Say which gate threshold: a number from 0 to 1.");
    else if (to !== null && now !== null && to < now) say(`${gateText(now)} holds now: only evidence lowers one.`);
    else send(to, why);
  };
  return (
    <Modal title="Raise the gate threshold" onClose={props.onClose}>
      <p>Now: {gateText(now)}. A raise holds until it is taken back; evidence alone lowers one.</p>
      <Form onSubmit={submit} problem={problem}>
        <ChoiceList label="Raise it to" options={choices} value={choice} onValue={setChoice} />
        {choice === "people" ? null : (
          <TextField label="Gate threshold" value={text} onValue={setText} about="From 0 to 1." isRequired autoFocus />
        )}
        <Preview gate={props.gate} to={to} />
        <TextField label="Why" value={why} onValue={setWhy} isRequired />
        <button type="submit" class="primary">
          Raise it
        </button>
      </Form>
    </Modal>
  );
}

/** A share as it was typed; undefined while it is none. A blank is no number, whatever `Number` says. */
function shareOf(text: string): number | undefined {
  const share = text.trim() === "" ? Number.NaN : Number(text);
  return share >= 0 && share <= 1 ? share : undefined;
}

/** What the raise would do to people's work, by the labels at hand. */
function Preview({ gate, to }: { readonly gate: GateDetail; readonly to: number | null | undefined }): JSX.Element {
  return (
    <p class="quiet" role="status">
      {to === undefined ? "" : raiseText(gate, to)}
    </p>
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
