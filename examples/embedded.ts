/**
 * Decides in this process: the shipped model looks at a picture, and a person (here: a function) answers what the gate
 * holds. Run: node examples/embedded.ts [picture.jpg]
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createDecider } from "holdpoint";
import { openModels } from "holdpoint/models/node";
import { type Input } from "holdpoint/protocol";

const model = fileURLToPath(new URL("models/zoo/product-id/model.onnx", import.meta.resolve("holdpoint/package.json")));

const decider = await createDecider({
  config: {
    store_id: "store_123",
    models: { product_identification: { model_path: model } },
    thresholds: { product_identification: 0.92 },
    tasks: {
      product_identification: { fallback: ["human_review", "safe_action"], safe_action: { label: "ask-shopper" } },
    },
  },
  models: (isolation) => openModels({ registryDir: ".holdpoint/models", isolation }),
  // A real one shows the picture to somebody; this one knows everything.
  escalateTo: (decision) => {
    console.log(`held (${decision.reasons.join(", ")}): the model thought ${decision.answer?.label ?? "nothing"}`);
    return Promise.resolve({ reviewer: "Kim", answer: { kind: "label", label: "Oatly-Oat-Milk" } });
  },
});
for (const problem of decider.problems) console.log(`${problem.task}: ${problem.code} ${problem.message}`);
decider.on("revision", ({ id, revision, status }) => console.log(`${id} revision ${revision}: ${status}`));

const path = process.argv[2];
const input: Input =
  path === undefined ? greySquare() : { kind: "image", encoding: "jpeg", data: new Uint8Array(await readFile(path)) };
const first = await decider.decide("product_identification", input, { context: { shelf: "C2" } });
console.log(`${first.verdict}: ${first.answer?.label ?? "-"} (confidence ${first.confidence.toFixed(3)})`);
const final = await decider.final(first.id);
console.log(`final: ${final.answer?.label ?? "-"} by ${final.decidedBy}`);
await decider.close();

/** No product that the model knows, so that it is held. */
function greySquare(): Input {
  return { kind: "pixels", width: 64, height: 64, channels: 3, data: new Uint8Array(64 * 64 * 3).fill(128) };
}
