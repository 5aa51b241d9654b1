/** The program of a page, by the package's own names, as a user's bundler gets it. It runs in Chromium only. */
import { coinOf, connect, createDecider, decide, evidenceOf, type Client, type Decider, type Finding } from "holdpoint";
import { decodePictureInBrowser, webModels } from "holdpoint/models/web";
import { HoldpointError, toHex, universalHasher, type Decision, type Input } from "holdpoint/protocol";
import { decideSeeded, findSeeded, type Sdk, type SeededCase, type SeededPrediction } from "./browser-seeded.ts";

/** What the test calls. Arguments and answers are JSON; bytes are files of the test's server. */
export interface PageApi {
  /** Answers the decider's problems. */
  embed(config: string): Promise<readonly { readonly code: string }[]>;
  connect(url: string, device: string, secret: string, patienceMs: number): void;
  ask(whom: "embedded" | "agent", task: string, input: PageInput): Promise<Answered>;
  tellOutcome(id: string, label: string): Promise<void>;
  outstanding(): number;
  decode(file: string, encoding: PictureEncoding): Promise<DecodedInPage>;
  decideSeeded(cases: readonly SeededCase[]): string[];
  findSeeded(predictions: readonly SeededPrediction[]): Finding[];
  isSecure(): boolean;
  close(): Promise<void>;
}

export type PictureEncoding = "jpeg" | "png" | "webp";
export type PageInput =
  | { readonly kind: "image"; readonly encoding: PictureEncoding; readonly file: string }
  | { readonly kind: "pixels"; readonly width: number; readonly height: number; readonly file: string };
export type Answered = { readonly decision: Decision } | { readonly code: string };
export type DecodedInPage =
  | { readonly width: number; readonly height: number; readonly rgbDigest: string }
  | { readonly code: string; readonly message: string };

const sdk: Sdk = { decide, evidenceOf, coinOf, hasher: universalHasher };
let embedded: Decider | null = null;
let client: Client | null = null;

const api: PageApi = {
  embed: async (config) => {
    const [manifest, modelBytes] = await Promise.all([
      fetch("/zoo/manifest.json").then((response) => response.json() as Promise<unknown>),
      bytesOf("/zoo/model.onnx"),
    ]);
    const decider = await createDecider({
      config,
      models: () => webModels({ manifest, modelBytes, wasmPaths: "/ort/" }),
      escalateTo: () => new Promise(() => undefined),
    });
    embedded = decider;
    return decider.problems;
  },
  connect: (url, device, secret, patienceMs) => {
    client = connect({ url, device, secret, policy: { patienceMs, graceMs: 0 } });
  },
  ask: async (whom, task, input) => {
    try {
      const decider = there<Decider>(whom === "embedded" ? embedded : client);
      return { decision: await decider.decide(task, await inputOf(input)) };
    } catch (error) {
      if (error instanceof HoldpointError) return { code: error.code };
      throw error;
    }
  },
  tellOutcome: (id, label) => there(client).outcome({ id, label, source: "pos" }),
  outstanding: () => there(client).status().outstanding,
  decode: async (file, encoding) => {
    const decoded = await decodePictureInBrowser(await bytesOf(file), encoding);
    if (!decoded.ok) return { code: decoded.error.code, message: decoded.error.message };
    const { width, height, channels, data } = decoded.value;
    const rgb = data.filter((_, i) => i % channels < 3);
    return { width, height, rgbDigest: toHex(universalHasher.sha256(rgb)) };
  },
  decideSeeded: (cases) => decideSeeded(sdk, cases),
  findSeeded: (predictions) => findSeeded(sdk, predictions),
  isSecure: () => isSecureContext,
  close: async () => {
    await embedded?.close();
    await client?.close();
  },
};

(globalThis as unknown as { holdpointPage: PageApi }).holdpointPage = api;

async function inputOf(input: PageInput): Promise<Input> {
  const data = await bytesOf(input.file);
  if (input.kind === "image") return { kind: "image", encoding: input.encoding, data };
  return { kind: "pixels", width: input.width, height: input.height, channels: 3, data };
}

async function bytesOf(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

function there<T>(value: T | null): T {
  if (value === null) throw new Error("the test has not opened it");
  return value;
}
