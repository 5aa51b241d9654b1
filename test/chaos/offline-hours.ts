import { settledBy, HandClock, admissionOf, decisionOf, recordOf } from "../support/journal-cases.ts";
import { openForTest } from "../contract/journal-sqlite.ts";
import { bodyDigest, newId, type DecisionRequest } from "../../protocol/index.ts";
import { systemRandom } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

/** What a store's journal holds after hours without a hub: simulated time, real rows, real bytes. */
export interface OfflineCase {
  readonly id: string;
  readonly device: string;
  /** Nobody looked at it in time, and it took its fallback. Those of the last quarter of an hour still wait. */
  readonly isSettled: boolean;
}

export interface OfflineHoursOptions {
  readonly dataDir: string;
  readonly task: string;
  readonly devices: readonly string[];
  readonly hours: number;
  /** Escalations in an hour, of all devices; as many decisions again are accepted. */
  readonly perHour: number;
  readonly pictureBytes: number;
  readonly random: () => number;
}

const hourMs = 3_600_000;
const reviewWithinMs = 900_000;
/** What still waits does so while the backlog drains, however busy the machine is. */
const waitingMs = 86_400_000;

/**
 * Writes the journal through its own interface while a simulated clock runs from `hours` ago until now: pictures that no
 * model would decide, each settled by its fallback when its time with people is over. Returns the cases in the order of
 * their rows.
 */
export async function offlineHours(options: OfflineHoursOptions): Promise<readonly OfflineCase[]> {
  const { dataDir, hours, perHour, devices, random } = options;
  const clock = new HandClock();
  clock.wall = Date.now() - hours * hourMs;
  const endMs = Date.now();
  const under = await openForTest({ dir: dataDir, clock });
  const { journal } = under;
  const made: { readonly case: OfflineCase; readonly settle: () => Promise<unknown>; readonly atMs: number }[] = [];
  let due = 0;
  const settleDue = async (): Promise<void> => {
    const settling: Promise<unknown>[] = [];
    for (; due < made.length && (made[due]?.atMs ?? Infinity) + reviewWithinMs <= clock.wall; due += 1) {
      settling.push(made[due]?.settle() ?? Promise.resolve());
    }
    await Promise.all(settling);
  };
  try {
    for (let n = 0; n < hours * perHour; n += 1) {
      await under.pass(hourMs / perHour);
      await settleDue();
      const device = devices[Math.floor(random() * devices.length)] ?? "";
      const request = requestOf(options, clock);
      const decision = { ...decisionOf(request, "escalate"), task: options.task };
      const isSettled = clock.wall + reviewWithinMs <= endMs;
      const patience = { reviewWithinMs: isSettled ? reviewWithinMs : waitingMs };
      const [admission, accepted] = [admittedFrom(request, device), admittedFrom(requestOf(options, clock), device)];
      await Promise.all([
        journal.admit(admission).then(() => journal.decide(recordOf(decision, patience))),
        journal
          .admit(admissionOf(accepted.request, { ...accepted, keepInput: false }))
          .then(() => journal.decide(recordOf({ ...decisionOf(accepted.request), task: options.task }))),
      ]);
      const settle = (): Promise<unknown> => journal.settle({ revision: settledBy(decision) });
      made.push({ case: { id: request.id, device, isSettled }, settle, atMs: clock.wall });
    }
    clock.wall = endMs;
    await settleDue();
    return made.map((one) => one.case);
  } finally {
    await journal.close();
  }
}

function requestOf({ task, pictureBytes }: OfflineHoursOptions, clock: HandClock): DecisionRequest {
  const id = newId(clock, systemRandom);
  // As long as a picture and as hard to compress, and called one by its first bytes: nobody decodes it here.
  const data = systemRandom.bytes(pictureBytes);
  data.set([0xff, 0xd8, 0xff]);
  const input = { kind: "image", encoding: "jpeg", data: Uint8Array.from(data) } as const;
  return { v: 1, id, at: clock.wall, task, input, context: { ref: id } };
}

function admittedFrom(request: DecisionRequest, device: string): ReturnType<typeof admissionOf> {
  return { ...admissionOf(request), bodyDigest: bodyDigest(nodeHasher, request), device };
}
