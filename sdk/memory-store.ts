import { type Decision, type DecisionRequest } from "../protocol/index.ts";
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
import { type DecisionTrace } from "./trace.ts";

const noBytes = new Uint8Array(0);

/**
 * Final cases that the memory keeps at least; at most twice as many. Cases that are not final stay until they are.
 */
const casesMax = 10_000;

interface Entry {
  /** Without the bytes of its input. */
  readonly request: DecisionRequest;
  readonly receivedAtMs: number;
  /** The 32 bytes as characters: a text costs less to keep and to compare than an array with memory of its own. */
  readonly bodyDigest: string;
  trace: DecisionTrace | null;
  decision: Decision | null;
}

/** A case store that ends with the process. Input bytes are not kept: nothing here replays. */
export function memoryStore(): CaseStore<object> {
  // Two maps by turns, for the reason that `RecentMap` gives; what is not final moves over when the older one goes.
  let young = new Map<string, Entry>();
  let old: ReadonlyMap<string, Entry> = new Map();
  let carried = 0;

  const get = (id: string): Entry | undefined => young.get(id) ?? old.get(id);

  const add = (id: string, entry: Entry): void => {
    young.set(id, entry);
    if (young.size - carried < casesMax) return;
    const open = [...old].filter(([, { decision }]) => decision?.status !== "final");
    old = young;
    young = new Map(open);
    carried = open.length;
  };

  const admit = ({ request, bodyDigest: digest, receivedAtMs }: Admission): Admitted => {
    const bodyDigest = String.fromCharCode(...digest);
    const known = get(request.id);
    if (known) {
      return known.bodyDigest === bodyDigest ? { kind: "known", decision: known.decision } : { kind: "conflict" };
    }
    add(request.id, { request: withoutBytes(request), receivedAtMs, bodyDigest, trace: null, decision: null });
    return { kind: "admitted" };
  };

  const decide = (record: DecisionRecord): void => {
    const entry = get(record.decision.id);
    if (!entry || entry.trace) return;
    entry.trace = record.trace;
    entry.decision = record.decision;
  };

  const review = ({ id, answer, revision }: ReviewRecord): Reviewed => {
    const entry = get(id);
    if (!entry?.decision) return { kind: "unknown" };
    if (entry.decision.status === "final") {
      const conflict = answer.kind === "label" && answer.label !== entry.decision.answer?.label;
      return { kind: "label", decision: entry.decision, conflict };
    }
    entry.decision = revision;
    return { kind: "final", decision: revision };
  };

  const settle = ({ revision }: Settlement): Decision | null => {
    const entry = get(revision.id);
    if (entry?.decision?.status !== "pending") return null;
    entry.decision = revision;
    return revision;
  };

  const find = (id: string): StoredCase | null => {
    const entry = get(id);
    if (!entry) return null;
    const { request, receivedAtMs, decision, trace } = entry;
    return { id, request, receivedAtMs, decision, trace };
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

function withoutBytes(request: DecisionRequest): DecisionRequest {
  const { input } = request;
  return "data" in input ? { ...request, input: { ...input, data: noBytes } } : request;
}
