import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ErrorCode, type Input, type Reason } from "../../protocol/index.ts";
import {
  requestOf,
  startHostileAgent,
  type HostileAgent,
  type HostileDevice,
} from "../fixtures/hostile/hostile-agent.ts";
import {
  hungryModel,
  linearModel,
  loopingModel,
  nanModel,
  pair,
  temporaryFolder,
  writeModel,
  type ModelChanges,
} from "../support/models-fixtures.ts";

/**
 * One agent with good models and bad ones, each for a task of its own. A model that fails is a verdict with a reason or a
 * degraded task, told in /metrics; the daemon lives on, and the good model's next request is accepted.
 */

const folder = temporaryFolder();
let hostile: HostileAgent;
let camera: HostileDevice;

/** Models that load and misbehave on some input. */
const loadable: Readonly<Record<string, ModelChanges>> = {
  sides: {},
  hangs: { model: loopingModel() },
  hungers: { model: hungryModel() },
  not_a_number: { model: nanModel() },
  no_probabilities: {
    manifest: { outputs: [{ name: "y", dtype: "float32", shape: ["batch", 2], meaning: "probabilities" }] },
  },
};

/** Models that cannot be used at all, and how they came to be so. */
const unusable: readonly (readonly [task: string, code: ErrorCode, make: (task: string) => string])[] = [
  ["missing", "HP_MODEL_NOT_FOUND", (task) => join(folder.path, task)],
  ["file_missing", "HP_MODEL_NOT_FOUND", (task) => damaged(task, (file) => rmSync(file))],
  ["cut_short", "HP_MODEL_DIGEST", (task) => damaged(task, (file) => truncateSync(file, 60))],
  ["empty_file", "HP_MODEL_DIGEST", (task) => damaged(task, (file) => truncateSync(file, 0))],
  ["exchanged", "HP_MODEL_DIGEST", (task) => damaged(task, (file) => writeFileSync(file, linearModel(5)))],
  ["no_model_at_all", "HP_MODEL_LOAD", (task) => writeModel(folder.path, task, { model: Buffer.alloc(500, "x") })],
  ["no_manifest", "HP_MODEL_NO_MANIFEST", (task) => damaged(task, (_file, dir) => rmSync(join(dir, "manifest.json")))],
  [
    "bad_manifest",
    "HP_MODEL_MANIFEST",
    (task) => damaged(task, (_file, dir) => writeFileSync(join(dir, "manifest.json"), "{")),
  ],
  [
    "more_labels_than_outputs",
    "HP_MODEL_OUTPUT",
    (task) =>
      writeModel(folder.path, task, {
        manifest: {
          labels: ["left", "right", "up"],
          outputs: [{ name: "y", dtype: "float32", shape: ["batch", 3], meaning: "logits" }],
        },
      }),
  ],
  [
    "output_of_another_name",
    "HP_MODEL_OUTPUT",
    (task) =>
      writeModel(folder.path, task, {
        manifest: { outputs: [{ name: "z", dtype: "float32", shape: ["batch", 2], meaning: "logits" }] },
      }),
  ],
  [
    "another_golden_answer",
    "HP_MODEL_GOLDEN",
    (task) =>
      writeModel(folder.path, task, {
        manifest: { golden: { pattern: "lcg", seed: 1, logits: [9, 9], tolerance: 0.001 } },
      }),
  ],
];

function damaged(task: string, damage: (file: string, dir: string) => void): string {
  const dir = writeModel(folder.path, task);
  damage(join(dir, "model.onnx"), dir);
  return dir;
}

beforeAll(async () => {
  const folders = [
    ...Object.entries(loadable).map(([task, changes]) => [task, writeModel(folder.path, task, changes)] as const),
    ...unusable.map(([task, , make]) => [task, make(task)] as const),
  ];
  const lines = (line: (task: string, path: string) => string): string =>
    folders.map(([task, path]) => `  ${line(task, path)}`).join("\n");
  const config = `store_id: store_1
models:
${lines((task, path) => `${task}: { model_path: ${path} }`)}
thresholds:
${lines((task) => `${task}: 0.9`)}
tasks:
${lines((task) => `${task}: { fallback: [human_review], decide_within: 30s, audit_share: 0 }`)}
`;
  const restarts = { restartsMax: 100, windowMs: 60_000, pauseFirstMs: 1, pauseMaxMs: 10, downMs: 1000 };
  const limits = { runMsMax: 400, rssBytesMax: 450 * 1024 * 1024, heartbeatMs: 20, restarts };
  hostile = await startHostileAgent(config, { models: { limits } });
  camera = await hostile.device("camera-1");
});
afterAll(async () => {
  await hostile.close();
  folder.remove();
});

const roads = (): (typeof camera.decide)[] => [camera.decide, hostile.decide];

async function servesSides(): Promise<void> {
  for (const decide of roads()) {
    expect(await decide(requestOf())).toMatchObject({ verdict: "accept", answer: { label: "left" } });
  }
}

describe("a model that misbehaves while it runs", () => {
  it.each<readonly [string, string, Input, Reason]>([
    ["hangs", "hangs", pair(1e18, 0), "quarantined"],
    ["allocates without end", "hungers", pair(150e6, 0), "quarantined"],
    ["returns NaN", "not_a_number", pair(-1, 1), "not_finite"],
    ["returns what are no probabilities", "no_probabilities", pair(5, 9), "model_output"],
  ])("and %s sends the case to people with its reason, is counted, and the next one is served", async (...row) => {
    const [, task, input, reason] = row;
    const count = (): Promise<number> => hostile.metric("holdpoint_reasons_total", { task, reason });
    for (const decide of roads()) {
      const before = await count();
      expect(await decide(requestOf({ task }, input))).toMatchObject({
        ...{ verdict: "escalate", status: "pending", answer: null, confidence: 0, reasons: [reason] },
      });
      expect(await count()).toBe(before + 1);
      await servesSides();
    }
    // Its own next good input is served as well, where it has one.
    if (reason === "quarantined")
      expect((await hostile.decide(requestOf({ task }, pair(0, -1)))).reasons[0]).not.toBe(reason);
  });
});

describe("a model that cannot be used", () => {
  it.each(unusable.map(([task, code]) => [task, code] as const))(
    "%s: the task is degraded with %s, its cases go to people, and other tasks are served",
    async (task, code) => {
      const { state, reasons } = await hostile.status();
      expect(state).toBe("degraded");
      const told = reasons.filter(({ message }) => message.startsWith(`${task}:`));
      expect(told.map((reason) => reason.code)).toEqual([code]);
      expect(await hostile.metric("holdpoint_degraded", { code })).toBe(1);
      const count = (): Promise<number> => hostile.metric("holdpoint_reasons_total", { task, reason: "no_model" });
      const before = await count();
      for (const decide of roads()) {
        expect(await decide(requestOf({ task }))).toMatchObject({ verdict: "escalate", reasons: ["no_model"] });
      }
      expect(await count()).toBe(before + 2);
      await servesSides();
    },
  );

  it("the status topic and /readyz say so, and the agent is ready for the rest", async () => {
    const response = await fetch(`${hostile.agent.http?.url ?? ""}/readyz`);
    expect(response.status).toBe(200);
    const body = await response.text();
    for (const [task, code] of unusable) expect([task, body.includes(code)]).toEqual([task, true]);
  });
});
