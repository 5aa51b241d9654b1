import { Queue, QueueEvents } from "bullmq";
import { queueName, type PeerRequest, type PeerResult } from "./peers/bullmq-queue.ts";
import { readCases, serveTraffic, type Lane } from "./traffic-loop.ts";

/**
 * Load for BullMQ: jobs are added by id and their results heard from the queue's event stream, which is cheaper than a
 * `waitUntilFinished` for each.
 */
const connection = { host: "127.0.0.1", port: Number(process.env["PEER_REDIS_PORT"]), maxRetriesPerRequest: null };
const cases = readCases();
const queue = new Queue<PeerRequest, PeerResult>(queueName, { connection });
const events = new QueueEvents(queueName, { connection });
await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);

const waiting = new Map<string, (label: string | null) => void>();
function settle(id: string, label: string | null): void {
  const answered = waiting.get(id);
  waiting.delete(id);
  answered?.(label);
}
events.on("completed", ({ jobId, returnvalue }) => {
  const { automated, decision } = returnvalue as unknown as PeerResult;
  settle(jobId, automated ? decision : null);
});
events.on("failed", ({ jobId }) => settle(jobId, null));

const lane: Lane = {
  ask: (id, caseIndex, answered) => {
    waiting.set(id, answered);
    const request = { ...cases[caseIndex]?.request, id, at: Date.now() } as PeerRequest;
    queue.add("decide", request, { jobId: id }).catch((error: unknown) => {
      console.error(error);
      settle(id, null);
    });
  },
};
await serveTraffic(cases, (count) => Promise.resolve(Array.from({ length: count }, () => lane)));
