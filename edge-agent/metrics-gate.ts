import { type ReviewState } from "../sdk/index.ts";
import { type GateState } from "./gate-states.ts";

/** Contracts of the config, and tasks whose people have a stated capacity. */
export interface GateFacts {
  readonly contracts: readonly GateState[];
  readonly reviews: readonly (ReviewState & { readonly task: string })[];
}

/** Contracts told to Prometheus; a config may have more labels with one than a scrape should have lines. */
const contractsMax = 64;

/** The part of a gauge of prom-client that this needs. */
interface LabelledGauge {
  reset(): void;
  set(labels: Readonly<Record<string, string>>, value: number): void;
}

/** The gauges of certificates and of what people can take, set anew at each scrape. */
export function gateGauges(
  gauge: (name: string, help: string, labelNames: readonly string[]) => LabelledGauge,
): (facts: GateFacts) => void {
  const of = ["task", "rung", "label"];
  const held = gauge("holdpoint_certificate_valid", "1 where a contract rests on a certificate, 0 with why not", [
    ...of,
    "level",
    "why",
  ]);
  const threshold = gauge("holdpoint_certificate_gate_threshold", "Gate threshold of a certified contract", of);
  const accepted = gauge("holdpoint_certificate_accepted", "Decisions accepted under the certificate in force", of);
  const age = gauge("holdpoint_certificate_age_seconds", "Since the evidence of the certificate in force", of);
  const price = gauge("holdpoint_review_price", "Expected loss from which on cases go to people", ["task"]);
  const pace = gauge("holdpoint_review_pace", "Share of the stated review capacity that is used", ["task"]);
  const p95 = gauge("holdpoint_review_answer_seconds", "95th percentile of how long people take", ["task"]);
  return ({ contracts, reviews }) => {
    for (const each of [held, threshold, accepted, age, price, pace, p95]) each.reset();
    for (const { task, rung, label, gate, usage } of contracts.slice(0, contractsMax)) {
      const labels = { task, rung, label: label ?? "" };
      held.set({ ...labels, level: gate.certificate?.scope.level ?? "", why: gate.why ?? "" }, gate.certified ? 1 : 0);
      if (gate.certified) threshold.set(labels, gate.gateThreshold);
      if (usage) {
        accepted.set(labels, usage.accepted);
        age.set(labels, usage.ageMs / 1000);
      }
    }
    for (const { task, ...state } of reviews) {
      price.set({ task }, state.price);
      pace.set({ task }, state.pace);
      if (state.answerP95Ms !== null) p95.set({ task }, state.answerP95Ms / 1000);
    }
  };
}
