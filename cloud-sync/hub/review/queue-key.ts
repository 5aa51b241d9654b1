/**
 * The order of the queue as one whole number that an index can sort: smaller is sooner.
 *
 * A case has a virtual due time: its deadline, less a head start for what a wrong accept would cost and for how unsure
 * the model is. Where nobody waits there is no deadline; then it is a patience after the case came. An order by virtual
 * due times needs no recalculation while time passes, and nothing in it starves: whatever waits is due at last.
 *
 *   key = (virtual due time in ms) × 1024 + (1023 − seconds that the case had waited when it came, at most 1023)
 *
 * so that of two that are due together the older goes first. The key stays below 2^53 until the year 2248.
 */
export interface QueueTraits {
  readonly kind: "escalation" | "audit" | "import";
  /** When it came to the hub, and when the store began to hold it. */
  readonly receivedMs: number;
  readonly heldMs: number;
  /** Null where nobody waits. */
  readonly dueMs: number | null;
  /** Calibrated, in [0, 1]. */
  readonly confidence: number;
  readonly costs: { readonly review: number; readonly wrongAccept: number } | null;
}

/** Patience where nobody waits: an imported case has a sender who does, an audit sample has time. */
const importPatienceMs = 3_600_000;
const auditPatienceMs = 7 * 86_400_000;
/** A doubling of the value at risk, in reviews' costs, is worth a minute; at most ten of them. */
const valueStepMs = 60_000;
const valueStepsMax = 10;
/** A model that knows nothing is worth as much as this. */
const uncertaintyMs = 30_000;
const ageLevels = 1024;

export function queueKey(traits: QueueTraits): number {
  const { receivedMs, heldMs } = traits;
  const virtualDueMs = Math.max(0, Math.round(dueOf(traits) - headStartMs(traits)));
  const waitedSeconds = Math.max(0, Math.min(ageLevels - 1, Math.floor((receivedMs - heldMs) / 1000)));
  return virtualDueMs * ageLevels + (ageLevels - 1 - waitedSeconds);
}

function dueOf({ kind, dueMs, receivedMs }: QueueTraits): number {
  if (dueMs !== null) return dueMs;
  return receivedMs + (kind === "audit" ? auditPatienceMs : importPatienceMs);
}

/** Milliseconds, at most ten and a half minutes. */
function headStartMs({ kind, confidence, costs }: QueueTraits): number {
  // What the model was sure of says nothing about how urgent it is to check it.
  if (kind === "audit") return 0;
  const uncertainty = 1 - Math.min(1, Math.max(0, confidence));
  // Costs have any currency: what counts is how many reviews the value at risk would pay for.
  const atRisk =
    costs === null ? 0 : (costs.wrongAccept * uncertainty) / Math.max(costs.review, costs.wrongAccept / 1024);
  const steps = Number.isFinite(atRisk) ? Math.min(valueStepsMax, Math.log2(1 + Math.max(0, atRisk))) : 0;
  return steps * valueStepMs + uncertainty * uncertaintyMs;
}
