import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { type Browser, type BrowserContext, type Page } from "playwright-core";
import sharp from "sharp";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { callHub } from "../support/hub-agent.ts";
import { seedGate, seedProposal } from "./gate-seed.ts";
import { addPerson, buildHubPages, openHub, signIn, type HubRoomForTests } from "./hub-room.ts";
import { seedStore, type SeededCase, type SeededStore } from "./hub-seed.ts";
import { startChromium } from "./review-room.ts";

/** Takes the pictures of docs/hub-page.md: `node test/browser/hub-screenshots.ts [name …]`; all of them unless some are named. */

const desktop = { width: 1280, height: 800 };
const task = "product_identification";
const layer = "tasks:\n  product_identification:\n    review_within: 15m\n    audit_share: 0.02\n";
const degraded = {
  ...{ state: "degraded", waiting: 4, unsent: 3, safeToPowerOff: false },
  reasons: [{ code: "model_missing", message: "There is no model for cart_verification." }],
};

type SignedIn = Awaited<ReturnType<BrowserContext["storageState"]>>;

interface Scene {
  readonly name: string;
  readonly path: string;
  readonly scheme: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  readonly play?: (page: Page) => Promise<void>;
}

const scenes: readonly Scene[] = [
  { name: "hub-review", path: "review", scheme: "light" },
  { name: "hub-review-tablet", path: "review", scheme: "dark", width: 820, height: 1180 },
  { name: "hub-queues", path: "queues", scheme: "light" },
  { name: "hub-stores", path: "stores", scheme: "dark" },
  { name: "hub-store", path: "stores/store_7", scheme: "light" },
  { name: "hub-case", path: "cases?state=final", scheme: "light", height: 1180, play: openFirst("What happened") },
  { name: "hub-automation", path: "automation?days=1", scheme: "dark", height: 1000 },
  { name: "hub-gates", path: "gates", scheme: "light" },
  { name: "hub-gate", path: `gates/${task}`, scheme: "dark", height: 1320, play: slide },
  { name: "hub-config", path: "config?layer=fleet", scheme: "light", play: editLayer },
  { name: "hub-people", path: "people", scheme: "dark" },
  { name: "hub-audit", path: "audit", scheme: "light" },
  { name: "hub-rules", path: "settings/rules", scheme: "light" },
  { name: "hub-retention", path: "settings/retention", scheme: "dark" },
  { name: "hub-webhook", path: "settings/webhooks", scheme: "light", play: openFirst("Deliveries") },
];

/** Of these the seeds would be in every other picture. */
const ofSettings = ["hub-rules", "hub-retention", "hub-webhook"];

function openFirst(heading: string): (page: Page) => Promise<void> {
  return async (page) => {
    await page.locator(".row-link").first().waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: heading }).waitFor();
  };
}

async function slide(page: Page): Promise<void> {
  await page.getByRole("slider").focus();
  for (let press = 0; press < 12; press += 1) await page.keyboard.press("ArrowLeft");
}

async function editLayer(page: Page): Promise<void> {
  await page.getByRole("textbox", { name: "Text" }).fill(layer.replace("15m", "10m"));
  await page.getByText("tasks.product_identification.review_within").first().waitFor();
}

/** Look-alikes that people have told apart before, and one that nobody has looked at. */
async function seed(room: HubRoomForTests): Promise<void> {
  const [one, two] = [await seedStore(room, "store_123"), await seedStore(room, "store_7")];
  await fleet(one, two);
  await addPerson(room, { login: "ada", name: "Ada Lovelace", roles: ["admin", "lead", "reviewer"] });
  await addPerson(room, { login: "maja", name: "Maja Lind", roles: ["reviewer"], stores: ["store_123"] });
  await addPerson(room, { login: "ben", name: "Ben Okafor", roles: ["operator"] });
  await addPerson(room, { login: "ines", name: "Inês Duarte", roles: ["auditor"] });
  const put = { text: layer, why: "A case waits fifteen minutes at most", revision: 0 };
  await callHub(room.hub.url, room.token, "PUT", "/v1/config/layers/fleet/-", put);
  const rules = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
  await callHub(room.hub.url, room.token, "PUT", `/v1/reviews/rules/${task}`, rules);
}

/** Rules and times of their own for some tasks, and a webhook that was told something. */
async function seedSettings(room: HubRoomForTests, receiver: string): Promise<void> {
  const call = (method: string, path: string, body: unknown) => callHub(room.hub.url, room.token, method, path, body);
  const rules = { reviewersNeeded: 2, adjudication: true, goldShare: 0.05, secondOpinionShare: 0.1, skill: "fraud" };
  await call("PUT", "/v1/reviews/rules/cart_verification", rules);
  await call("PUT", "/v1/reviews/rules/late_delivery", {
    ...rules,
    reviewersNeeded: 1,
    adjudication: false,
    skill: null,
  });
  await call("PUT", "/v1/retention/cart_verification", { keepMs: 90 * 86_400_000 });
  const events = ["case.final", "agent.offline", "agent.online", "config.changed"];
  await call("POST", "/v1/webhooks", { url: receiver, events });
  for (const [revision, hours] of [24, 12].entries()) {
    const put = { text: `retention:\n  input_keep: ${hours}h\n`, why: "Less room", revision };
    await call("PUT", "/v1/config/layers/store/store_7", put);
  }
}

async function fleet(one: SeededStore, two: SeededStore): Promise<void> {
  for (const counts of [0, 1]) {
    await one.beat({}, [[task, 930 * counts, 41 * counts] as const]);
    await two.beat(degraded, [[task, 510 * counts, 60 * counts] as const]);
  }
}

const alike = [
  ["Royal-Gala", 0.46],
  ["Pink-Lady", 0.41],
  ["Red-Delicious", 0.08],
] as const;

async function answerSome(page: Page, room: HubRoomForTests): Promise<void> {
  const store = await seedStore(room, "store_12");
  const seeds = await Promise.all(alike.map(([label]) => seedsOf(label, 3)));
  const known: SeededCase[] = [0, 1].flatMap((nth) =>
    seeds.map((own, at) => ({ n: own[nth] ?? 1, suggestions: alike, leftMs: 300_000 + (nth * 3 + at) * 60_000 })),
  );
  await store.hold(known);
  await signIn(page, room, "ada", "/review");
  for (const [index] of known.entries()) {
    await page.locator(".picture:not([hidden]).loaded img").first().waitFor();
    await page.waitForTimeout(250);
    await page.keyboard.press(String((index % 3) + 1));
  }
  for (let told = 0; told < known.length;) told += (await store.settle(15_000)).length;
  await store.hold(
    seeds.flatMap((own) => own.slice(2)).map((n, at) => ({ n, suggestions: alike, leftMs: 400_000 + at * 70_000 })),
  );
}

/** Seeds that draw this label. */
async function seedsOf(label: string, count: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let seed = 1; seed < 800 && found.length < count; seed += 1) {
    if ((await drawShelfCrop(seed)).label === label) found.push(seed);
  }
  return found;
}

async function take(browser: Browser, room: HubRoomForTests, scene: Scene, storageState: SignedIn): Promise<void> {
  const { name, path, scheme, width = desktop.width, height = desktop.height, play } = scene;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, storageState });
  const page = await context.newPage();
  await page.goto(`${room.hub.url}/${path}`);
  await page.locator(".page-head, .panel").first().waitFor();
  await play?.(page);
  await page.waitForTimeout(1_200);
  const shot = await page.screenshot();
  await sharp(shot).png({ palette: true, quality: 92, effort: 9 }).toFile(`docs/images/${name}.png`);
  await context.close();
}

const removePages = await buildHubPages();
await mkdir("docs/images", { recursive: true });
const receiver = createServer((_request, response) => response.end());
await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const room = await openHub({ allowedWebhookHosts: ["127.0.0.1"] });
const browser = await startChromium();
await seed(room);
const context = await browser.newContext({ viewport: desktop });
await answerSome(await context.newPage(), room);
const signedIn = await context.storageState();
await context.close();
const wanted = process.argv.slice(2);
const chosen = scenes.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const isOfGates = ({ name }: Scene): boolean => name.startsWith("hub-gate");
const isOfSettings = ({ name }: Scene): boolean => ofSettings.includes(name);
for (const scene of chosen.filter((one) => !isOfGates(one) && !isOfSettings(one))) {
  await take(browser, room, scene, signedIn);
}
if (chosen.some(isOfSettings)) {
  await seedSettings(room, `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/holdpoint`);
}
for (const scene of chosen.filter(isOfSettings)) await take(browser, room, scene, signedIn);
// Last: a contract and 260 cases would be in every other picture.
if (chosen.some(isOfGates)) {
  await seedGate(room, "store_9");
  await seedProposal(room);
}
for (const scene of chosen.filter(isOfGates)) await take(browser, room, scene, signedIn);
await browser.close();
await room.close();
receiver.close();
removePages();
