import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { build } from "vite";
import { startReview, type ReviewListenerOptions, type RunningReview } from "../../edge-agent/review/listener.node.ts";
import { silentLogger } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { type FakeSource } from "./review-cases.ts";

export const chromiumPath = process.env["HOLDPOINT_CHROMIUM"] ?? "/usr/bin/chromium";
export const hasChromium = existsSync(chromiumPath);
if (!hasChromium) console.warn(`browser tests are skipped: there is no Chromium at ${chromiumPath}`);

export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    args: [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });
}

const assetsDir = join(process.cwd(), "temp", `review-page-${process.pid}`);

/** Builds the page from its sources for this process alone: a build beside it cannot pull it away. Returns the clean-up. */
export async function buildReviewPage(): Promise<() => void> {
  await build({ configFile: "vite.config.ts", logLevel: "error", build: { outDir: assetsDir } });
  return () => rmSync(assetsDir, { recursive: true, force: true });
}

export function openRoom(source: FakeSource, options: Partial<ReviewListenerOptions> = {}): Promise<RunningReview> {
  return startReview({
    source,
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    hasher: nodeHasher,
    storeName: source.store,
    assetsDir,
    ...options,
  });
}

/** Opens the page as somebody who scanned the QR code, types the PIN and a name. */
export async function pair(context: BrowserContext, room: RunningReview, name: string): Promise<Page> {
  const page = await context.newPage();
  const { url, pin } = room.pairing();
  await page.goto(url);
  await page.getByLabel("PIN").fill(pin);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Start reviewing" }).click();
  return page;
}

/** Waits until the picture of the case is there and old enough to be judged. */
export async function seeCase(page: Page): Promise<void> {
  await page.locator(".picture:not([hidden]).loaded img, .facts").first().waitFor();
  await page.waitForTimeout(180);
}
