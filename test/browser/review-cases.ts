import { type CaseSource, type HeldCase, type SourceReview } from "../../edge-agent/review/case-source.ts";
import { type Reviewed } from "../../edge-agent/journal/journal.ts";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { type Decision, type DecisionRequest, type Input } from "../../protocol/index.ts";

/** A CaseSource over a plain map: what the journal is to the agent, without a disk. */
export interface FakeSource extends CaseSource {
  readonly reviews: SourceReview[];
  /** Holds a case and tells of it. */
  hold(held: HeldCase, input: Input): void;
  /** Another way to an end: the case's time with people ran out in the journal. */
  settle(id: string): void;
  deliver(id: string): void;
  /** The next `count` commits fail, as on a full disk. */
  failCommits(count: number): void;
}

export const labels: readonly string[] = [
  ...["Golden-Delicious", "Granny-Smith", "Pink-Lady", "Red-Delicious", "Royal-Gala", "Avocado", "Banana", "Kiwi"],
  ...["Lemon", "Lime", "Mango", "Nectarine", "Orange", "Satsumas", "Peach", "Plum", "Bravo-Apple-Juice"],
  ...["Bravo-Orange-Juice", "God-Morgon-Orange-Juice", "God-Morgon-Red-Grapefruit-Juice", "Arla-Standard-Milk"],
  ...["Arla-Medium-Fat-Milk", "Arla-Lactose-Medium-Fat-Milk", "Oatly-Oat-Milk", "Oatly-Natural-Oatghurt"],
  ...["Alpro-Fresh-Soy-Milk", "Alpro-Vanilla-Soyghurt", "Yoggi-Strawberry-Yoghurt", "Arla-Mild-Vanilla-Yoghurt"],
  ...["Cucumber", "Carrots", "Red-Bell-Pepper", "Yellow-Bell-Pepper", "Regular-Tomato", "Vine-Tomato", "Yellow-Onion"],
  ...["Arla-Sour-Milk", "Arla-Sour-Cream", "Alpro-Blueberry-Soyghurt"],
];

const tasks: Readonly<Record<string, { question: string; labels: readonly string[] }>> = {
  product_identification: { question: "Which product is this?", labels },
  action_recognition: { question: "Did the shopper take something?", labels: ["take", "return", "touch"] },
  cart_verification: { question: "Does the cart match its weight?", labels: [] },
};

export function createFakeSource(store = "Corner Store 12"): FakeSource {
  const held = new Map<string, { held: HeldCase; input: Input }>();
  const listeners = new Set<(decision: Decision) => void>();
  const delivered = new Set<(id: string, revision: number) => void>();
  const reviews: SourceReview[] = [];
  let failures = 0;
  const finish = (id: string, change: Partial<Decision>): Decision => {
    const entry = held.get(id);
    if (!entry?.held.decision) throw new Error(`no case ${id}`);
    const before = entry.held.decision;
    const decision: Decision = { ...before, status: "final", revision: before.revision + 1, ...change };
    held.set(id, { ...entry, held: { ...entry.held, state: "final", decision, reviewLeftMs: null } });
    for (const listener of listeners) listener(decision);
    return decision;
  };
  return {
    store,
    reviews,
    pending: (limit) =>
      Promise.resolve(
        [...held.values()]
          .map((entry) => entry.held)
          .filter(isOpen)
          .slice(0, limit),
      ),
    find: (id) => Promise.resolve(held.get(id)?.held ?? null),
    input: (id) => Promise.resolve(held.get(id)?.input ?? null),
    task: (name) => tasks[name] ?? null,
    submitReview: (review): Promise<Reviewed> => {
      if (failures > 0) {
        failures -= 1;
        return Promise.reject(new Error("the disk is full"));
      }
      const entry = held.get(review.id);
      if (!entry?.held.decision) return Promise.resolve({ kind: "unknown" });
      reviews.push(review);
      if (entry.held.state === "final") {
        return Promise.resolve({ kind: "label", decision: entry.held.decision, conflict: true });
      }
      const label = review.answer.kind === "label" ? review.answer.label : "ask-shopper";
      const decision = finish(review.id, { decidedBy: "reviewer", answer: { label }, reasons: ["reviewed"] });
      return Promise.resolve({ kind: "final", decision });
    },
    onRevision: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onDelivered: (listener) => {
      delivered.add(listener);
      return () => delivered.delete(listener);
    },
    hold: (entry, input) => {
      held.set(entry.id, { held: entry, input });
      if (entry.decision) for (const listener of listeners) listener(entry.decision);
    },
    settle: (id) =>
      void finish(id, { decidedBy: "fallback", answer: { label: "ask-shopper" }, reasons: ["review_expired"] }),
    deliver: (id) => {
      for (const listener of delivered) listener(id, 2);
    },
    failCommits: (count) => {
      failures = count;
    },
  };
}

function isOpen(held: HeldCase): boolean {
  return held.audit ? held.reviews.length === 0 : held.state === "pending";
}

export interface CaseTraits {
  readonly n: number;
  readonly task?: string;
  readonly heldAtMs?: number;
  readonly leftMs?: number | null;
  readonly suggestions?: readonly (readonly [label: string, confidence: number])[];
  readonly reason?: Decision["reasons"][number];
  readonly audit?: boolean;
  readonly device?: string;
  readonly context?: DecisionRequest["context"];
}

const noBytes = new Uint8Array(0);

/** A case that waits, as the journal gives it: without the input's bytes. */
export function heldCase(traits: CaseTraits, input: Input): HeldCase {
  const id = `01930000-0000-7000-8000-${String(traits.n).padStart(12, "0")}`;
  const atMs = traits.heldAtMs ?? Date.now() - 40_000;
  const task = traits.task ?? "product_identification";
  const [best, ...others] = traits.suggestions ?? [];
  const audit = traits.audit ?? false;
  const stored = "data" in input ? { ...input, data: noBytes } : input;
  const decision: Decision = {
    v: 1,
    id,
    revision: 1,
    task,
    status: audit ? "final" : "pending",
    verdict: audit ? "accept" : "escalate",
    decidedBy: "model",
    answer: best
      ? { label: best[0], alternatives: others.map(([label, confidence]) => ({ label, confidence })) }
      : null,
    confidence: best?.[1] ?? 0,
    score: best?.[1] ?? 0,
    gateThreshold: 0.92,
    certificate: null,
    reasons: audit ? ["confident", "audit"] : [traits.reason ?? (best ? "below_gate" : "no_model")],
    model: best ? { name: "product-id", version: "1.0.0", digest: "sha256:00" } : null,
    config: { revision: 1, digest: "sha256:00" },
    provider: best ? "cpu" : "none",
    at: atMs,
    latencyMs: 6,
    explanation: null,
  };
  const context = traits.context ?? { camera: "aisle-3", shelf: "C2", basket: "b-17" };
  return {
    id,
    device: traits.device ?? "cam-aisle-3",
    task,
    state: audit ? "final" : "pending",
    request: { v: 1, id, task, at: atMs, input: stored, context },
    receivedAtMs: atMs,
    decision,
    trace: null,
    audit,
    inputState: "kept",
    reviewLeftMs: audit ? null : traits.leftMs === undefined ? 14 * 60_000 : traits.leftMs,
    reviews: [],
  };
}

/** A drawn crop with what a model might have thought of it. */
export async function pictureCase(traits: CaseTraits): Promise<{ held: HeldCase; input: Input; label: string }> {
  const { jpeg, label } = await drawShelfCrop(traits.n);
  const input: Input = { kind: "image", encoding: "jpeg", data: jpeg };
  const others = labels.filter((other) => other !== label);
  const at = (traits.n * 7) % (others.length - 4);
  const suggestions = traits.suggestions ?? [
    [label, 0.62],
    ...others.slice(at, at + 4).map((other, i) => [other, 0.19 / 2 ** i] as const),
  ];
  return { held: heldCase({ ...traits, suggestions }, input), input, label };
}
