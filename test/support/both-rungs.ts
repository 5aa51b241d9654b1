import { auditPropensity } from "../../models/index.ts";
import { seededDraw } from "../../models/measure/seeded-draw.ts";
import { type HubTables } from "../../cloud-sync/hub/database/tables.ts";
import { type FakeClock } from "../../testing/index.ts";
import { beginTask, type KeptTask } from "./gate-keeping.ts";
import { type ReviewPlace } from "./hub-review.ts";

type LabelRow = HubTables["gate_labels"];

/** A task whose both rungs are under a contract, decided as agents decide it, with labels as people give them: its truth is known. */
export interface RungsWorld {
  readonly rounds: number;
  readonly decisionsPerRound: number;
  readonly maxError: number;
  readonly delta: number;
}

/** What became of one life of it. */
export interface RungsLife {
  /** A coarse certificate was ever in force, and ever with a risk above what its labels are held to. */
  readonly isCertified: boolean;
  readonly isBroken: boolean;
  readonly epochs: number;
}

const auditShare = 0.2;
/** Share of the model's errors that reviewers are taken to overlook where nobody has measured it. */
const missShare = 0.19;
/** What audit propensities are scaled by; any number is valid. */
const auditScale = 0.2;

interface Case {
  readonly fine: number;
  readonly coarse: number;
  readonly isFineWrong: boolean;
  readonly coarseRisk: number;
  readonly isCoarseWrong: boolean;
}

/** Where the fine answer is sure the group is nearly always right; elsewhere it is right the more, the surer it is itself. */
function drawCase(random: () => number): Case {
  const [fine, isFineWrongBelow, coarse] = [random(), random(), random()];
  const hard = 0.34 * (1 - coarse) ** 1.5 * (0.6 + 0.4 * (1 - fine)) + 0.02;
  const coarseRisk = fine > 0.7 ? 0.004 : hard;
  const isFineWrong = isFineWrongBelow < 0.9 * (1 - fine) ** 2;
  return { fine, coarse, isFineWrong, coarseRisk, isCoarseWrong: random() < coarseRisk };
}

const population: readonly Case[] = ((): readonly Case[] => {
  const random = seededDraw(99);
  return Array.from({ length: 100_000 }, () => drawCase(random));
})();

/** What the gates of all agents are at. */
interface Gates {
  readonly fine: number;
  readonly coarse: number;
  readonly below: number;
}

/** The share of wrong ones among what the coarse gate accepts. */
function coarseRiskAt({ fine, coarse, below }: Gates): number {
  const taken = population.filter((one) => one.fine < fine && one.fine < below && one.coarse >= coarse);
  return taken.reduce((sum, { coarseRisk }) => sum + coarseRisk, 0) / Math.max(1, taken.length);
}

async function gatesOf(kept: KeptTask): Promise<Gates & { readonly epochs: number }> {
  const [fineState, coarseState] = [await kept.state(), await kept.state("certificate", "coarse")];
  const fine = fineState?.gate_threshold ?? Infinity;
  const residual = JSON.parse(coarseState?.residual ?? "{}") as { readonly below?: number | null };
  const below = residual.below ?? Infinity;
  // As an agent takes it: only while its fine gate leaves all that the certificate speaks of.
  const coarse = below > fine ? Infinity : (coarseState?.gate_threshold ?? Infinity);
  return { fine, coarse, below, epochs: coarseState?.epoch ?? 1 };
}

/** One life: rounds of decisions, their labels counted by the hub's keeper after each. */
export async function liveOnce(
  place: ReviewPlace,
  clock: FakeClock,
  { rounds, decisionsPerRound, maxError, delta }: RungsWorld,
  seed: number,
): Promise<RungsLife> {
  const random = seededDraw(seed);
  const contract = `{ max_error: ${maxError}, delta: ${delta}, launch_labels: 120 }`;
  const kept = await beginTask(
    place,
    clock,
    (task) => `thresholds: { ${task}: { default: ${contract}, coarse: ${contract} } }
tasks: { ${task}: { audit_share: ${auditShare}, fallback: [coarse_answer, human_review, safe_action] } }`,
  );
  let life: RungsLife = { isCertified: false, isBroken: false, epochs: 1 };
  for (let round = 0; round < rounds; round += 1) {
    const { epochs, ...gates } = await gatesOf(kept);
    if (gates.coarse !== Infinity) {
      const isBroken = life.isBroken || coarseRiskAt(gates) > maxError * (1 - missShare);
      life = { isCertified: true, isBroken, epochs };
    }
    clock.advance(60_000);
    const rows = Array.from({ length: decisionsPerRound }, (_, n) =>
      labelsOf(`${kept.task}-${String(round * decisionsPerRound + n).padStart(6, "0")}`, drawCase(random), gates, {
        random,
        task: kept.task,
        nowMs: Math.round(clock.wallMs()),
      }),
    ).flat();
    await place.database.write(({ db }) => db.insertInto("gate_labels").values(rows).execute());
    while ((await kept.keep()) > 0);
  }
  return life;
}

interface Drawn {
  readonly random: () => number;
  readonly task: string;
  readonly nowMs: number;
}

/** The labels of one decision: of both answers where people look at what the fine gate has left. */
function labelsOf(caseId: string, one: Case, gates: Gates, { random, task, nowMs }: Drawn): readonly LabelRow[] {
  const base = {
    ...{ case_id: caseId, store: "store_1", task, model: "m", calibration: "none", is_uniform: 0, is_rule: 0 },
    ...{ basket: null, held_ms: nowMs, came_ms: nowMs, answered_ms: nowMs, counted_ms: null, counted_n: null },
    ...{ state: "ready" as const, source: "adjudication" as const, truth: null, label_groups: null },
  };
  const [opensFine, opensCoarse] = [gates.fine !== Infinity, gates.coarse !== Infinity];
  const fine = {
    ...{ ...base, rung: "fine" as const, predicted: "x", confidence: one.fine, is_wrong: one.isFineWrong ? 1 : 0 },
    ...{ gate_threshold: opensFine ? gates.fine : 1, certificate: opensFine ? "f" : null },
    ...{ fine_confidence: null, fine_calibration: null, fine_gate_threshold: null },
  };
  const coarse = {
    ...{ ...base, rung: "coarse" as const, predicted: "g", confidence: one.coarse },
    ...{ gate_threshold: opensCoarse ? gates.coarse : 1, certificate: opensCoarse ? "c" : null },
    ...{ is_wrong: one.isCoarseWrong ? 1 : 0, fine_confidence: one.fine, fine_calibration: "none" },
    fine_gate_threshold: opensFine ? gates.fine : null,
  };
  const audit = (confidence: number) => {
    const propensity = auditPropensity(confidence, auditScale, auditShare);
    return random() < propensity ? { kind: "audit" as const, propensity, propensity_min: auditShare / 2 } : null;
  };
  if (one.fine >= gates.fine) {
    const drawn = audit(one.fine);
    return drawn ? [{ ...fine, ...drawn }] : [];
  }
  if (one.fine < gates.below && one.coarse >= gates.coarse) {
    const drawn = audit(one.coarse);
    return drawn ? [fine, coarse].map((row) => ({ ...row, ...drawn })) : [];
  }
  const held = { kind: "escalation" as const, propensity: 1 };
  return [
    { ...fine, ...held, propensity_min: opensFine || opensCoarse ? auditShare / 2 : 1 },
    { ...coarse, ...held, propensity_min: opensCoarse ? auditShare / 2 : 1 },
  ];
}
