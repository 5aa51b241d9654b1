import { join } from "node:path";
import { type Browser, type Page } from "playwright-core";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { decodePicture, openModels } from "../../models/index.node.ts";
import { toHex, type Decision, type Input } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { coinOf, createDecider, decide, evidenceOf, type Decider, type Finding } from "../../sdk/index.ts";
import {
  agentPlace,
  productTask,
  startAgentProcess,
  storeConfig,
  type AgentPlace,
  type AgentProcess,
} from "../support/agent-process.ts";
import { seededCases, seededPredictions } from "../support/browser-cases.ts";
import { type PageApi, type PageInput, type PictureEncoding } from "../support/browser-page.ts";
import { decideSeeded, findSeeded, type Sdk } from "../support/browser-seeded.ts";
import { bundlePage, openPath, startSite, type Bundle, type Site } from "../support/browser-site.ts";
import { hasChromium, startChromium } from "./review-room.ts";

const device = "kiosk-1";
const sources: Sdk = { decide, evidenceOf, coinOf, hasher: nodeHasher };
/** Packages that only Node can load, or that a page has no use for. */
const notForPages = /\/(aedes|better-sqlite3|onnxruntime-node|sharp|pino|prom-client|commander|tar-stream|uqr)\//;

describe.skipIf(!hasChromium)("the sdk in a page", () => {
  let bundle: Bundle;
  let site: Site;
  let browser: Browser;
  let page: Page;
  let place: AgentPlace;
  let agent: AgentProcess;
  let inNode: Decider;
  /** Errors of the page, and what its content security policy stopped. */
  const complaints: string[] = [];

  beforeAll(async () => {
    bundle = await bundlePage();
    [site, browser, place] = await Promise.all([startSite(bundle), startChromium(), agentPlace({ devices: [device] })]);
    agent = await startAgentProcess(place);
    site.proxyTo(agent.http);
    inNode = await createDecider({
      config: storeConfig(),
      models: () => openModels({ registryDir: join(place.dataDir, "models"), isolation: "inline" }),
      escalateTo: () => new Promise(() => undefined),
    });
    page = await openPage("/");
    page.on("console", (line) => complaints.push(...(line.type() === "error" ? [line.text()] : [])));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.reload();
    expect(await call(page, "embed", storeConfig())).toEqual([]);
    await call(page, "connect", `${site.url}/agent`, device, place.devices[device] ?? "", 20_000);
  });
  afterAll(async () => {
    await browser.close();
    await inNode.close();
    await agent.stop();
    await Promise.all([place.remove(), site.close()]);
    bundle.remove();
  });

  async function openPage(path: string): Promise<Page> {
    const opened = await (await browser.newContext()).newPage();
    await opened.goto(`${site.url}${path}`);
    return opened;
  }

  function call<Name extends keyof PageApi>(
    on: Page,
    name: Name,
    ...args: Parameters<PageApi[Name]>
  ): Promise<Awaited<ReturnType<PageApi[Name]>>> {
    // The function travels as text; the page has no `eval`, but the debugger that Playwright speaks through does.
    return on.evaluate(
      ([method, given]) => {
        const api = (globalThis as unknown as { holdpointPage: Record<string, (...all: unknown[]) => unknown> })
          .holdpointPage;
        return api[method]?.(...given);
      },
      [name, args] as const,
    ) as Promise<Awaited<ReturnType<PageApi[Name]>>>;
  }

  async function ask(whom: "embedded" | "agent", input: PageInput): Promise<Decision> {
    const answered = await call(page, "ask", whom, productTask, input);
    if ("code" in answered) throw new Error(answered.code);
    return answered.decision;
  }

  /** The same picture for both sides: as a file of the server, and as an input. */
  async function drawn(seed: number, kind: "image" | "pixels"): Promise<{ there: PageInput; here: Input }> {
    const { jpeg } = await drawShelfCrop(seed);
    if (kind === "image") {
      const there = { kind, encoding: "jpeg", file: site.put(`${seed}.jpg`, jpeg) } as const;
      return { there, here: { kind, encoding: "jpeg", data: jpeg } };
    }
    const decoded = await decodePicture(jpeg, "jpeg");
    if (!decoded.ok) throw decoded.error;
    const { width, height, data } = decoded.value;
    const there = { kind, width, height, file: site.put(`${seed}.rgb`, data) };
    return { there, here: { kind, width, height, channels: 3, data } };
  }

  it("is bundled without a native package, a node: import, or a file that is Node's", () => {
    expect(bundle.modules).toEqual(expect.arrayContaining(["sdk/decide.ts", "models/index.web.ts"]));
    expect(bundle.modules.filter((module) => module.endsWith(".node.ts"))).toEqual([]);
    expect(bundle.modules.filter((module) => notForPages.test(module))).toEqual([]);
    // Vite puts an empty module of this name where a program asks for one of Node's.
    expect(bundle.modules.filter((module) => /browser-external|node:/.test(module))).toEqual([]);
    for (const code of bundle.chunks.values()) expect(code).not.toMatch(/(from|import|require)\s*\(?\s*["']node:/);
  });

  it("keeps the model runtime and MQTT.js out of what every page loads", () => {
    const start = bundle.startModules.join("\n");
    expect(start).toContain("sdk/client/mqtt-transport.ts");
    expect(start).not.toMatch(/node_modules\/(mqtt|onnxruntime-web)\//);
    expect(bundle.modules.join("\n")).toMatch(/node_modules\/mqtt\/[^]*node_modules\/onnxruntime-web\//);
  });

  it("decides 500 seeded cases as Node does, to the last byte", async () => {
    const cases = seededCases(20_260_102, 500);
    const here = decideSeeded(sources, cases);
    expect(await call(page, "decideSeeded", cases)).toEqual(here);
    const decisions = here.map((text) => (JSON.parse(text) as { decision: Decision }).decision);
    // The cases are worth comparing only if they go everywhere.
    expect(new Set(decisions.map(({ verdict }) => verdict)).size).toBe(3);
    expect(new Set(decisions.map(({ decidedBy }) => decidedBy))).toEqual(new Set(["model", "rule", "fallback"]));
    const reasons = new Set(decisions.flatMap((decision) => decision.reasons));
    for (const reason of ["confident", "coarse_answer", "budget_exhausted", "storage_full", "audit", "rule"] as const) {
      expect(reasons).toContain(reason);
    }
  });

  it("calibrates as Node does, but for the last digits of exp, log and pow", async () => {
    const predictions = seededPredictions(20_260_103, 500);
    const [there, here] = [await call(page, "findSeeded", predictions), findSeeded(sources, predictions)];
    const numbersOf = (findings: readonly Finding[]): readonly number[] =>
      findings.flatMap((finding) =>
        finding.kind === "failure" ? [] : [...finding.top, finding.coarse].map((scored) => scored?.confidence ?? 0),
      );
    const labelsOf = (findings: readonly Finding[]): unknown =>
      findings.map((finding) => finding.kind === "evidence" && finding.top.map(({ label }) => label));
    expect(labelsOf(there)).toEqual(labelsOf(here));
    const expected = numbersOf(here);
    expect(expected.length).toBeGreaterThan(2000);
    const apart = numbersOf(there).map((number, i) => Math.abs(number - (expected[i] ?? 9)));
    expect(Math.max(...apart)).toBeLessThan(1e-12);
  });

  it.each(["pixels", "image"] as const)("gives Node's decisions on %s, by WebAssembly", async (kind) => {
    for (let seed = 1; seed <= 6; seed += 1) {
      const { there, here } = await drawn(seed, kind);
      const [decision, expected] = await Promise.all([ask("embedded", there), inNode.decide(productTask, here)]);
      expect(comparable(decision)).toEqual(comparable(expected));
      expect(Math.abs(decision.confidence - expected.confidence)).toBeLessThan(1e-4);
    }
  });

  it("asks an agent over HTTP from its own origin, and tells it the outcome", async () => {
    for (let seed = 1; seed <= 3; seed += 1) {
      const { there, here } = await drawn(seed, "image");
      const [decision, expected] = await Promise.all([ask("agent", there), inNode.decide(productTask, here)]);
      expect(comparable(decision)).toEqual(comparable(expected));
      await call(page, "tellOutcome", decision.id, "Kiwi");
    }
    // What is left are decisions that a person has still to make final.
    const pending = (await casesOf(agent, place)).filter(({ status }) => status === "pending").length;
    await expect.poll(() => call(page, "outstanding")).toBe(pending);
  });

  it("cannot ask an agent from another origin: the agent opens itself to no page", async () => {
    const stranger = await openPage(openPath);
    const said: string[] = [];
    stranger.on("console", (line) => said.push(line.text()));
    await call(stranger, "connect", agent.http, device, place.devices[device] ?? "", 1_500);
    const { there } = await drawn(1, "image");
    const before = await casesOf(agent, place);
    expect(await call(stranger, "ask", "agent", productTask, there)).toEqual({ code: "HP_TIMEOUT" });
    expect(said.join("\n")).toContain("blocked by CORS policy");
    expect(await casesOf(agent, place)).toEqual(before);
  });

  it("runs models in a page that came over plain HTTP from another machine, which is no secure context", async () => {
    // The site is its own proxy: that gives it a name that the browser does not trust as it trusts 127.0.0.1.
    const opened = await (await browser.newContext({ proxy: { server: site.url } })).newPage();
    await opened.goto("http://store-box.test/");
    expect(await call(opened, "isSecure")).toBe(false);
    expect(await call(opened, "embed", storeConfig())).toEqual([]);
    const { there } = await drawn(1, "image");
    const answered = await call(opened, "ask", "embedded", productTask, there);
    expect(answered).toMatchObject({ decision: { model: { name: "product-id" }, provider: "cpu" } });
  });

  it("ran under a policy without eval, and asked for nothing but the site's own files", () => {
    expect(complaints).toEqual([]);
    const runtime = site.asked.filter((path) => path.startsWith("/ort/"));
    const files = ["/ort/ort-wasm-simd-threaded.mjs", "/ort/ort-wasm-simd-threaded.wasm"];
    expect(new Set(runtime)).toEqual(new Set(files));
    expect(site.asked.filter((path) => path.includes("mqtt"))).toEqual([]);
  });

  describe("decoding pictures", () => {
    const crop = async (): Promise<Sharp> => sharp((await drawShelfCrop(5)).jpeg);
    const small = async (): Promise<Sharp> => (await crop()).resize(60, 40, { fit: "fill" });
    type Case = readonly [what: string, encoding: PictureEncoding, make: () => Promise<Buffer>];

    const same: readonly Case[] = [
      ["a JPEG with halved colour", "jpeg", async () => (await crop()).jpeg({ quality: 70 }).toBuffer()],
      ["a JPEG with full colour", "jpeg", async () => (await crop()).jpeg({ chromaSubsampling: "4:4:4" }).toBuffer()],
      ["a progressive JPEG", "jpeg", async () => (await crop()).jpeg({ progressive: true }).toBuffer()],
      ["a grey JPEG", "jpeg", async () => (await crop()).greyscale().jpeg().toBuffer()],
      ["a JPEG with a colour profile", "jpeg", async () => (await crop()).withIccProfile("p3").jpeg().toBuffer()],
      ["a turned JPEG", "jpeg", async () => (await small()).jpeg().withMetadata({ orientation: 6 }).toBuffer()],
      ["a PNG", "png", async () => (await crop()).png().toBuffer()],
      ["a PNG with 16 bits", "png", async () => (await crop()).toColourspace("rgb16").png().toBuffer()],
      ["a PNG that is opaque", "png", async () => (await crop()).ensureAlpha(1).png().toBuffer()],
      ["a lossy WebP", "webp", async () => (await crop()).webp().toBuffer()],
      ["an upright WebP", "webp", async () => (await small()).webp().withMetadata({ orientation: 1 }).toBuffer()],
    ];
    it.each(same)("%s has Node's pixels, bit for bit", async (what, encoding, make) => {
      const bytes = await make();
      const [there, here] = [await decodedInPage(what, bytes, encoding), await decodePicture(bytes, encoding)];
      if (!here.ok || "code" in there) throw new Error("both must decode");
      const { width, height, channels, data } = here.value;
      expect([there.width, there.height]).toEqual([width, height]);
      const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
        const pixel = Math.floor(i / 3) * channels;
        return data[channels === 1 ? pixel : pixel + (i % 3)] ?? 0;
      });
      expect(there.rgbDigest).toBe(toHex(nodeHasher.sha256(rgb)));
    });

    const refusals: readonly Case[] = [
      ["a transparent PNG", "png", async () => (await small()).ensureAlpha(0).png().toBuffer()],
      ["a translucent WebP", "webp", async () => (await small()).ensureAlpha(0.5).webp().toBuffer()],
      ["a CMYK JPEG", "jpeg", async () => (await small()).toColourspace("cmyk").jpeg().toBuffer()],
      ["a turned WebP", "webp", async () => (await small()).webp().withMetadata({ orientation: 6 }).toBuffer()],
      ["half a JPEG", "jpeg", async () => half(await (await crop()).jpeg().toBuffer())],
      ["half a PNG", "png", async () => half(await (await crop()).png().toBuffer())],
      ["half a WebP", "webp", async () => half(await (await crop()).webp().toBuffer())],
      ["a PNG that says it is a JPEG", "jpeg", async () => (await small()).png().toBuffer()],
    ];
    it.each(refusals)("%s is refused", async (what, encoding, make) => {
      expect(await decodedInPage(what, await make(), encoding)).toMatchObject({ code: "HP_PICTURE" });
    });

    function decodedInPage(what: string, bytes: Uint8Array, encoding: PictureEncoding) {
      return call(page, "decode", site.put(`${what.replaceAll(" ", "-")}.${encoding}`, bytes), encoding);
    }
  });
});

function half(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.subarray(0, bytes.byteLength / 2));
}

/** Everything but what differs by nature, and the numbers that two runtimes round differently. */
function comparable(decision: Decision): unknown {
  const { v, revision, task, status, verdict, decidedBy, answer, gateThreshold, reasons, model, provider } = decision;
  const { digest } = decision.config;
  return {
    ...{ v, revision, task, status, verdict, decidedBy, gateThreshold, reasons, model, provider, digest },
    answer: answer && [answer.label, answer.value, (answer.alternatives ?? []).map(({ label }) => label)],
  };
}

async function casesOf({ http }: AgentProcess, { devices }: AgentPlace): Promise<readonly Decision[]> {
  const answer = await fetch(`${http}/v1/decisions?limit=100`, {
    headers: { authorization: `Bearer ${devices[device] ?? ""}` },
  });
  return ((await answer.json()) as { readonly decisions: Decision[] }).decisions;
}
