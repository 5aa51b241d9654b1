import { mkdir } from "node:fs/promises";
import { type Browser, type Page } from "playwright-core";
import sharp from "sharp";
import { type RunningReview } from "../../edge-agent/review/listener.node.ts";
import { type Input } from "../../protocol/index.ts";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { createFakeSource, heldCase, pictureCase, type FakeSource } from "./review-cases.ts";
import { buildReviewPage, openRoom, pair, seeCase, startChromium } from "./review-room.ts";

/** Takes the pictures of docs/review.md and of the README: `node test/browser/review-screenshots.ts`. */

interface Scene {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
  readonly cases: readonly string[];
  readonly play?: (page: Page, room: RunningReview, source: FakeSource) => Promise<void>;
}

/** What a model might think of each crop: look-alikes. */
const thoughts: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  "Oatly-Oat-Milk": [
    ["Oatly-Oat-Milk", 0.71],
    ["Oatly-Natural-Oatghurt", 0.18],
    ["Alpro-Fresh-Soy-Milk", 0.06],
    ["Arla-Medium-Fat-Milk", 0.03],
    ["Arla-Standard-Milk", 0.01],
  ],
  "Royal-Gala": [
    ["Pink-Lady", 0.46],
    ["Royal-Gala", 0.41],
    ["Nectarine", 0.07],
    ["Red-Delicious", 0.04],
    ["Peach", 0.01],
  ],
  Satsumas: [
    ["Orange", 0.52],
    ["Satsumas", 0.39],
    ["Nectarine", 0.04],
    ["Peach", 0.03],
    ["Lemon", 0.01],
  ],
  "God-Morgon-Red-Grapefruit-Juice": [
    ["God-Morgon-Red-Grapefruit-Juice", 0.83],
    ["God-Morgon-Orange-Juice", 0.1],
    ["Yoggi-Strawberry-Yoghurt", 0.04],
    ["Bravo-Orange-Juice", 0.02],
  ],
  Lime: [
    ["Lime", 0.66],
    ["Granny-Smith", 0.21],
    ["Avocado", 0.08],
    ["Kiwi", 0.03],
  ],
};

const desktop = { width: 1280, height: 800 };
const shelf = ["Lime", "God-Morgon-Red-Grapefruit-Juice", "Oatly-Oat-Milk", "Satsumas", "Royal-Gala"];

const scenes: readonly Scene[] = [
  { name: "review-light", ...desktop, scheme: "light", cases: shelf, play: afterTwoAnswers },
  {
    name: "review-dark",
    ...desktop,
    scheme: "dark",
    cases: ["Satsumas", "Royal-Gala", "Lime"],
    play: afterOneAnswer,
  },
  { name: "review-search", ...desktop, scheme: "light", cases: ["Oatly-Oat-Milk", "Lime"], play: searching },
  { name: "review-tablet", width: 820, height: 1180, scheme: "light", cases: ["Lime", "Satsumas", "Royal-Gala"] },
  { name: "review-empty", ...desktop, scheme: "light", cases: [] },
  {
    name: "review-offline",
    ...desktop,
    scheme: "light",
    cases: ["Satsumas", "God-Morgon-Red-Grapefruit-Juice", "Lime"],
    play: offline,
  },
  { name: "review-weight", ...desktop, scheme: "light", cases: ["weight"] },
  { name: "review-pairing", ...desktop, scheme: "light", cases: [], play: pairing },
];

async function afterOneAnswer(page: Page): Promise<void> {
  await page.keyboard.press("1");
  await seeCase(page);
  await page.waitForTimeout(900);
}

async function afterTwoAnswers(page: Page, _room: RunningReview, source: FakeSource): Promise<void> {
  await page.keyboard.press("1");
  await page.locator('[data-phase="final"]').waitFor();
  source.deliver(source.reviews[0]?.id ?? "");
  await seeCase(page);
  await afterOneAnswer(page);
}

async function searching(page: Page): Promise<void> {
  await page.keyboard.type("/oat");
  await page.getByRole("option").nth(1).waitFor();
  await page.keyboard.press("ArrowDown");
}

async function offline(page: Page, room: RunningReview): Promise<void> {
  await page.locator(".picture[hidden].loaded").waitFor({ state: "attached" });
  await room.close();
  await page.getByTestId("offline").waitFor();
  await page.keyboard.press("1");
  await page.waitForTimeout(400);
}

async function pairing(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("PIN").fill("480 213");
}

async function fill(source: FakeSource, cases: readonly string[]): Promise<void> {
  for (const [index, label] of cases.entries()) {
    const traits = {
      n: await seedOf(label),
      heldAtMs: Date.now() - 65_000 + index * 9_000,
      leftMs: 640_000 + index * 60_000,
    };
    if (label === "weight") {
      const input = weightStep();
      const suggestions = [
        ["take", 0.81],
        ["touch", 0.12],
        ["return", 0.07],
      ] as const;
      const context = { shelf: "C2", basket: "b-17", scale: "plate-4" };
      source.hold(
        heldCase(
          { ...traits, leftMs: 48_000, task: "action_recognition", device: "shelf-C2", suggestions, context },
          input,
        ),
        input,
      );
      continue;
    }
    const { held, input } = await pictureCase({ ...traits, suggestions: thoughts[label] ?? [] });
    source.hold(held, input);
  }
}

async function seedOf(label: string): Promise<number> {
  if (label === "weight") return 1;
  for (let seed = 1; seed < 400; seed += 1) if ((await drawShelfCrop(seed)).label === label) return seed;
  throw new Error(`no seed draws ${label}`);
}

/** A carton leaves a shelf's scale, which swings for a moment. */
function weightStep(): Input {
  const samples = Float32Array.from({ length: 240 }, (_, i) => {
    const gone = i < 90 ? 0 : Math.min(1, (i - 90) / 12);
    const swing = i < 90 ? 0 : Math.exp((90 - i) / 14) * Math.sin(i) * 55;
    return 1480 - 463 * gone + Math.sin(i * 1.7) * 3 + swing;
  });
  return { kind: "sequence", channels: ["grams"], hertz: 60, data: new Uint8Array(samples.buffer) };
}

async function take(browser: Browser, scene: Scene): Promise<void> {
  const source = createFakeSource();
  await fill(source, scene.cases);
  const room = await openRoom(source);
  const { width, height } = scene;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scene.scheme });
  const page = await pair(context, room, "Maja Lind");
  if (scene.cases.length > 0) await seeCase(page);
  else await page.getByText("All caught up").waitFor();
  await scene.play?.(page, room, source);
  await page.waitForTimeout(300);
  // A palette: a third of the bytes, and nobody sees it on a page of documentation.
  const shot = await page.screenshot();
  await sharp(shot).png({ palette: true, quality: 92, effort: 9 }).toFile(`docs/images/${scene.name}.png`);
  await context.close();
  await room.close().catch(() => undefined);
}

const removePage = await buildReviewPage();
await mkdir("docs/images", { recursive: true });
const browser = await startChromium();
for (const scene of scenes) await take(browser, scene);
await browser.close();
removePage();
