import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { gates, type GateProposal } from "../gates-api.web.ts";
import { gateText, methodTexts, shareText } from "../gate-words.ts";
import { layerAddress } from "../layer-names.ts";
import { Form, TextField } from "../parts/form.tsx";
import { useLive } from "../parts/live.web.ts";
import { usePages } from "../parts/loading.ts";
import { Modal } from "../parts/modal.tsx";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { countText } from "../words.ts";

/** What could be changed so that people look at fewer cases, or at no more than they can; one button makes it a change of the config. */
export function ProposalList({ task }: { readonly task: string | null }): JSX.Element | null {
  const loaded = usePages(`proposals ${task ?? ""}`, (cursor) => gates.proposals(task, cursor));
  useLive("gates", loaded.reload);
  const [asked, setAsked] = useState<{ readonly proposal: GateProposal; readonly to: "apply" | "dismiss" } | null>(
    null,
  );
  const { me } = useSite();
  const proposals = loaded.value ?? [];
  if (proposals.length === 0) return null;
  return (
    <section class="panel-card" aria-labelledby="proposals-title">
      <h2 id="proposals-title">Proposals</h2>
      <ul class="proposals">
        {proposals.map((proposal) => (
          <li key={proposal.id}>
            <h3>{proposal.title}</h3>
            <Preview proposal={proposal} />
            {may(me, "config.write") ? (
              <div class="page-actions">
                <button type="button" class="primary small" onClick={() => setAsked({ proposal, to: "apply" })}>
                  Change the config
                </button>
                <button type="button" class="plain" onClick={() => setAsked({ proposal, to: "dismiss" })}>
                  Not now
                </button>
              </div>
            ) : null}
          </li>
        ))}
      </ul>
      {asked ? <EndDialog {...asked} onClose={() => setAsked(null)} onDone={loaded.reload} /> : null}
    </section>
  );
}

const anewText =
  "A promise begins with no label: everything goes to people until labels of its own prove a gate threshold.";

function Preview({ proposal }: { readonly proposal: GateProposal }): JSX.Element {
  const { kind, before, after, labels, method, edits } = proposal;
  return (
    <p class="quiet">
      Reviews per 1,000: {countText(Math.round(before.reviewsPer1000))} → {countText(Math.round(after.reviewsPer1000))}.
      Gate threshold: {before.gateThreshold === null ? "several" : gateText(before.gateThreshold)} →{" "}
      {after.gateThreshold === null ? "several" : gateText(after.gateThreshold)}.
      {after.errorBound === null ? "" : ` Error at most ${shareText(after.errorBound)}.`} From {countText(labels)}{" "}
      labels, {methodTexts[method] ?? method}. Changes{" "}
      {edits.slice(0, 3).map((edit, index) => (
        <span key={`${edit.layer}/${edit.scope}`}>
          {index === 0 ? "" : ", "}
          <a href={layerAddress(edit)}>
            {edit.layer === "fleet" ? "the fleet's layer" : `${edit.layer} ${edit.scope}`}
          </a>
        </span>
      ))}
      {edits.length > 3 ? ` and ${countText(edits.length - 3)} more` : ""}. {kind === "drop_floor" ? "" : anewText}
    </p>
  );
}

function EndDialog(props: {
  readonly proposal: GateProposal;
  readonly to: "apply" | "dismiss";
  readonly onClose: () => void;
  readonly onDone: () => void;
}): JSX.Element {
  const { proposal, to } = props;
  const { tell } = useSite();
  const [why, setWhy] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (): void => {
    if (why.trim() === "") {
      setProblem("Say why: it stands in the history.");
      return;
    }
    void gates.endProposal(proposal.id, to, why.trim()).then((answered) => {
      if (answered === null) {
        setProblem("The hub cannot be reached. Nothing was changed.");
        return;
      }
      if (!answered.ok) {
        setProblem(`${answered.message}. ${answered.hint}`);
        return;
      }
      tell(to === "apply" ? "The config was changed; the agents are told." : "Not proposed again for 30 days.");
      props.onDone();
      props.onClose();
    });
  };
  return (
    <Modal title={to === "apply" ? "Change the config" : "Not now"} onClose={props.onClose}>
      <p>{proposal.title}</p>
      <Form onSubmit={submit} problem={problem}>
        <TextField label="Why" value={why} onValue={setWhy} isRequired autoFocus />
        <button type="submit" class="primary">
          {to === "apply" ? "Change it" : "Dismiss"}
        </button>
      </Form>
    </Modal>
  );
}
