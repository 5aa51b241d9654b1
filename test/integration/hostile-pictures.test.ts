import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeMessage } from "../../protocol/index.ts";
import { importModel } from "../../models/index.node.ts";
import {
  freshId,
  requestOf,
  startHostileAgent,
  type HostileAgent,
  type HostileDevice,
} from "../fixtures/hostile/hostile-agent.ts";
import { badPictures, strangePictures, type HostilePicture } from "../fixtures/hostile/pictures.ts";
import { temporaryFolder } from "../support/models-fixtures.ts";

/**
 * A bad picture is a request that fits: it is durable and decided on. Its verdict is `escalate` with reason `bad_picture`,
 * so that a person looks at what the camera sent, and the reason is counted. The shipped model serves what follows.
 */

const task = "product_identification";
const folder = temporaryFolder();
let hostile: HostileAgent;
let camera: HostileDevice;
const [bad, strange] = await Promise.all([badPictures(), strangePictures()]);

beforeAll(async () => {
  const registryDir = `${folder.path}/models`;
  const imported = await importModel("models/zoo/product-id", { registryDir, activate: true });
  if (!imported.ok) throw imported.error;
  const config = `store_id: store_1
models: { ${task}: { model: product-id@^1 } }
thresholds: { ${task}: 0.9 }
tasks: { ${task}: { fallback: [human_review, safe_action], safe_action: { label: ask-shopper }, audit_share: 0 } }
`;
  hostile = await startHostileAgent(config, { models: { registryDir } });
  camera = await hostile.device("camera-1");
});
afterAll(async () => {
  await hostile.close();
  folder.remove();
});

const reasonsOf = (reason: string): Promise<number> => hostile.metric("holdpoint_reasons_total", { task, reason });
const asked = ({ encoding, bytes }: Pick<HostilePicture, "encoding" | "bytes">) =>
  requestOf({ task }, { kind: "image", encoding, data: bytes });
const roads = (): (typeof camera.decide)[] => [camera.decide, hostile.decide];

async function servesPictures(): Promise<void> {
  const picture = strange.at(-1);
  if (!picture) throw new Error("a good picture is needed");
  const decision = await hostile.decide(asked(picture));
  expect(decision.model?.name).toBe("product-id");
  expect(decision.reasons).not.toContain("bad_picture");
}

describe("a picture that is none", () => {
  it.each(bad.map((picture) => [picture.name, picture] as const))(
    "%s goes to people with reason bad_picture, is counted, and the next one is served",
    async (_name, picture) => {
      const before = await reasonsOf("bad_picture");
      for (const decide of roads()) {
        const decision = await decide(asked(picture));
        expect(decision).toMatchObject({
          ...{ verdict: "escalate", status: "pending", answer: null, confidence: 0, reasons: ["bad_picture"] },
        });
        // What was wrong with it, for the person who looks.
        expect(decision.explanation).toMatch(/picture/);
      }
      expect(await reasonsOf("bad_picture")).toBe(before + 2);
      await servesPictures();
    },
  );

  it("without a byte is refused at the door: there is nothing to look at", async () => {
    const request = asked({ encoding: "jpeg", bytes: new Uint8Array(0) });
    const text = JSON.stringify({ ...request, input: { ...request.input, data: "" } });
    expect(await camera.refused("request", text)).toMatchObject({ code: "HP_SCHEMA", id: request.id });
    const response = await hostile.post("/v1/decisions", text);
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, "HP_SCHEMA"]);
    expect(await hostile.metric("holdpoint_refused_total", { code: "HP_SCHEMA" })).toBe(2);
    await servesPictures();
  });

  it("of another encoding than the three is refused at the door", async () => {
    const text = JSON.stringify({
      ...requestOf({ id: freshId() }),
      input: { kind: "image", encoding: "svg", data: "AA==" },
    });
    expect(decodeMessage(Buffer.from(text)).ok).toBe(true);
    expect(await camera.refused("request", text)).toMatchObject({ code: "HP_SCHEMA" });
    await servesPictures();
  });
});

describe("a picture that is unusual", () => {
  it.each(strange.map((picture) => [picture.name, picture] as const))(
    "%s is decoded and decided on by the model",
    async (_name, picture) => {
      const before = await reasonsOf("bad_picture");
      for (const decide of roads()) {
        const decision = await decide(asked(picture));
        expect(decision.model?.name).toBe("product-id");
        expect(decision.reasons[0]).toMatch(/^(confident|below_gate)$/);
      }
      expect(await reasonsOf("bad_picture")).toBe(before);
    },
  );
});
