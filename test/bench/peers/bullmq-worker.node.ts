import { readFileSync } from "node:fs";
import { Worker } from "bullmq";
import * as ort from "onnxruntime-node";
import { softmax, type PeerModel } from "../peer-model.ts";
import { queueName, type PeerRequest, type PeerResult } from "./bullmq-queue.ts";

/** The same decision as a BullMQ job, with the same model file in onnxruntime. */
const { PEER_REDIS_PORT: port, PEER_MODEL: modelFile = "", PEER_ONNX: onnxFile = "" } = process.env;
const { labels, features, gateThreshold } = JSON.parse(readFileSync(modelFile, "utf8")) as PeerModel;
const session = await ort.InferenceSession.create(onnxFile, { intraOpNumThreads: 1, interOpNumThreads: 1 });

async function decide({ id, input }: PeerRequest): Promise<PeerResult> {
  const bytes = Uint8Array.from(Buffer.from(input.data, "base64"));
  if (bytes.byteLength !== features * 4) throw new RangeError("the tensor does not fit the model");
  const { y } = await session.run({ x: new ort.Tensor("float32", new Float32Array(bytes.buffer), [1, features]) });
  const shares = softmax(y?.data as Float32Array);
  const confidence = Math.max(...shares);
  const decision = labels[shares.indexOf(confidence)] ?? "";
  return { task_id: id, status: "completed", decision, automated: confidence >= gateThreshold, confidence };
}

const worker = new Worker<PeerRequest, PeerResult>(queueName, (job) => decide(job.data), {
  connection: { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null },
  concurrency: 100,
});
worker.on("error", (error) => console.error(error.message));
await worker.waitUntilReady();
console.log("ready");
