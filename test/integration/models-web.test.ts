import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { webModels } from "../../models/index.web.ts";
import { decodePicture, openModels } from "../../models/index.node.ts";
import { wanted, wantedAt } from "../support/models-fixtures.ts";
import { fileURLToPath } from "node:url";

const zoo = new URL("../../models/zoo/product-id/", import.meta.url);

describe("models for a browser, run by the WebAssembly runtime in Node", () => {
  const manifest = JSON.parse(readFileSync(new URL("manifest.json", zoo), "utf8")) as { digest: string };
  const modelBytes = readFileSync(new URL("model.onnx", zoo));
  const wasmPaths = new URL("../../node_modules/onnxruntime-web/dist/", import.meta.url).href;

  it("agree with the native runtime on the same pixels", async () => {
    const web = webModels({ manifest, modelBytes, wasmPaths, decode: decodePicture });
    const native = openModels({ registryDir: "unused", isolation: "inline" });
    const [state] = await web.apply([wanted("products", "product-id", 4)]);
    expect(state?.problem).toBeNull();
    await native.apply([wantedAt("products", fileURLToPath(zoo), 4)]);
    for (let seed = 1; seed <= 3; seed += 1) {
      const data = Uint8Array.from({ length: 90 * 70 * 3 }, (_, i) => (i * i * seed) & 255);
      const input = { kind: "pixels", width: 90, height: 70, channels: 3, data } as const;
      const [here, there] = await Promise.all([
        web.predict("products", "1", input),
        native.predict("products", "1", input),
      ]);
      if (!here.ok || !there.ok) throw new Error("both must predict");
      expect(here.by.runtime).toMatch(/^onnxruntime-web /);
      here.prediction.probabilities.forEach((p, i) =>
        expect(Math.abs(p - (there.prediction.probabilities[i] ?? 9))).toBeLessThan(1e-4),
      );
    }
    await Promise.all([web.close(), native.close()]);
  });

  it("refuse bytes that are not the manifest's", async () => {
    const damaged = Uint8Array.from(modelBytes);
    damaged[100] = (damaged[100] ?? 0) ^ 1;
    const web = webModels({ manifest, modelBytes: damaged, wasmPaths });
    const [state] = await web.apply([wanted("products", "product-id")]);
    expect(state?.problem?.code).toBe("HP_MODEL_DIGEST");
  });
});
