import { type JSX } from "preact";
import { type GateDetail } from "../gates-api.web.ts";
import { basisTexts, gateText, launchText, restText, shareText, standing, stateWords, whatIf } from "../gate-words.ts";
import { Ago, Badge, Stat } from "../parts/parts.tsx";
import { countText, durationText } from "../words.ts";

/** How a gate stands: what was promised, what holds, what is proved, and who raised it. */
export function GateState({ gate }: { readonly gate: GateDetail }): JSX.Element {
  const { state, contract } = gate;
  const words = stateWords(gate);
  return (
    <>
      <p>
        <Badge tone={words.tone}>{words.text}</Badge> {words.about}
        {launchText(gate)}
        {state?.residual ? ` ${restText(state.residual.below)}` : ""}
      </p>
      <Raised gate={gate} />
      <dl class="stats">
        <Stat
          name="Promise"
          value={contract ? `≤ ${shareText(contract.maxError)} wrong` : "none"}
          about={contract ? `with ${shareText(1 - contract.delta)} certainty` : "put the task under a contract"}
        />
        <Stat name="Gate threshold" value={state ? gateText(state.gateThreshold) : "–"} about={basisOf(gate)} />
        <Proof gate={gate} />
        <Stat
          name="Lapses"
          value={state?.lapseMs ? `in ${durationText(state.lapseMs - Date.now())}` : "–"}
          about="without fresh labels"
        />
      </dl>
    </>
  );
}

/** Whose word holds the gate up, for as long as it does. */
function Raised({ gate: { state, raise } }: { readonly gate: GateDetail }): JSX.Element | null {
  const raised = state?.raised ?? null;
  if (raised === null) return null;
  const to = raised === "people" ? "Everything goes to people" : `Raised to ${gateText(raised)}`;
  return (
    <p class="note warn">
      {raise === null ? (
        <span>{to}, by hand; the audit log says by whom.</span>
      ) : (
        <span>
          <strong>
            {to}, by {raise.by}
          </strong>{" "}
          <Ago atMs={raise.atMs} />: {raise.why}
        </span>
      )}
    </p>
  );
}

/** What holds the gate threshold where it is. */
function basisOf(gate: GateDetail): string | undefined {
  const newest = standing(gate);
  const raised = gate.state?.raised ?? null;
  // A raise that is below what is proved, or waits for a proof, holds as well.
  if (raised !== null && newest?.basis !== "raised") {
    return `raised by hand to ${raised === "people" ? "people" : gateText(raised)}`;
  }
  return newest ? (basisTexts[newest.basis] ?? newest.basis) : undefined;
}

/** Coverage and bound. Where the gate threshold in force is not the proved one, both are said of the one they are true of. */
function Proof({ gate }: { readonly gate: GateDetail }): JSX.Element {
  const newest = standing(gate);
  if (newest === null || newest.upperBound === null) {
    return (
      <>
        <Stat name="Coverage" value="0 %" about={newest ? `of ${countText(newest.labels)} labels` : undefined} />
        <Stat name="Error bound" value="–" />
      </>
    );
  }
  const { coverage, labels, errors, accepted, upperBound, gateThreshold, provedGateThreshold: proved } = newest;
  const counts = `${countText(errors)} of ${countText(accepted)} wrong`;
  if (proved === undefined) {
    // A raise of an earlier release does not say what it was raised from.
    const since = newest.basis === "raised" ? ", before the raise" : "";
    return (
      <>
        <Stat
          name="Coverage"
          value={gateThreshold === null ? "0 %" : shareText(coverage)}
          about={`of ${countText(labels)} labels${since}`}
        />
        <Stat name="Error bound" value={shareText(upperBound)} about={`${counts}${since}`} />
      </>
    );
  }
  const held = gateThreshold === null ? 0 : (whatIf(gate.figures.curve, gateThreshold).point?.coverage ?? 0);
  return (
    <>
      <Stat
        name="Coverage"
        value={shareText(held)}
        about={`${gateThreshold === null ? "" : "by the labels; "}${shareText(coverage)} at the proved ${gateText(proved)}`}
      />
      <Stat
        name="Error bound"
        value={shareText(upperBound)}
        about={`${counts} from the proved ${gateText(proved)} on`}
      />
    </>
  );
}
