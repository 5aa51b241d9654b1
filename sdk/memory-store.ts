import { toHex, type Decision } from "../protocol/index.ts";
import {
  type Admission,
  type Admitted,
  type CaseStore,
  type DecisionRecord,
  type Reviewed,
  type ReviewRecord,
  type Settlement,
  type StoredCase,
} from "./case-store.ts";

/** Cases that the memory keeps; the oldest final one leaves when another comes. */
const casesMax = 10_000;

interface Entry {
  readonly admission: Admission;
  readonly bodyDigest: string;
  record: DecisionRecord | null;
  decision: Decision | null;
}

/** A case store that ends with the process. Input bytes are not kept: nothing here replays. */
export function memoryStore(): CaseStore<object> {
  const entries = new Map<string, Entry>();

  const evict = (): void => {
    for (const [id, entry] of entries) {
      if (entries.size < casesMax) return;
      if (entry.decision?.status === "final") entries.delete(id);
    }
  };

  const admit = (admission: Admission): Admitted => {
    const bodyDigest = toHex(admission.bodyDigest);
    const known = entries.get(admission.request.id);
    if (known) {
      return known.bodyDigest === bodyDigest ? { kind: "known", decision: known.decision } : { kind: "conflict" };
    }
    evict();
    entries.set(admission.request.id, { admission: withoutBytes(admission), bodyDigest, record: null, decision: null });
    return { kind: "admitted" };
  };

  const decide = (record: DecisionRecord): void => {
    const entry = entries.get(record.decision.id);
    if (!entry || entry.record) return;
    entry.record = record;
    entry.decision = record.decision;
  };

  const review = ({ id, answer, revision }: ReviewRecord): Reviewed => {
    const entry = entries.get(id);
    if (!entry?.decision) return { kind: "unknown" };
    if (entry.decision.status === "final") {
      const conflict = answer.kind === "label" && answer.label !== entry.decision.answer?.label;
      return { kind: "label", decision: entry.decision, conflict };
    }
    entry.decision = revision;
    return { kind: "final", decision: revision };
  };

  const settle = ({ revision }: Settlement): Decision | null => {
    const entry = entries.get(revision.id);
    if (entry?.decision?.status !== "pending") return null;
    entry.decision = revision;
    return revision;
  };

  const find = (id: string): StoredCase | null => {
    const entry = entries.get(id);
    if (!entry) return null;
    const { request, receivedAtMs } = entry.admission;
    return { id, request, receivedAtMs, decision: entry.decision, trace: entry.record?.trace ?? null };
  };

  return {
    admit: (admission) => Promise.resolve(admit(admission)),
    decide: (record) => {
      decide(record);
      return Promise.resolve();
    },
    review: (record) => Promise.resolve(review(record)),
    settle: (settlement) => Promise.resolve(settle(settlement)),
    find: (id) => Promise.resolve(find(id)),
  };
}

function withoutBytes(admission: Admission): Admission {
  const { input } = admission.request;
  if (!("data" in input)) return admission;
  return { ...admission, request: { ...admission.request, input: { ...input, data: new Uint8Array(0) } } };
}
