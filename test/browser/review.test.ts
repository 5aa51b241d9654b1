import axe from "axe-core";
import { type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RunningReview } from "../../edge-agent/review/listener.node.ts";
import { type Input } from "../../protocol/index.ts";
import { axeFaults } from "./axe-faults.ts";
import { createFakeSource, heldCase, pictureCase, type CaseTraits, type FakeSource } from "./review-cases.ts";
import { buildReviewPage, hasChromium, openRoom, pair, seeCase, startChromium } from "./review-room.ts";

const undoWindowMs = 600;
const secret = new Uint8Array(32).fill(5);

describe.skipIf(!hasChromium)("the review page in Chromium", () => {
  let browser: Browser;
  let context: BrowserContext;
  let source: FakeSource;
  let room: RunningReview;
  let faults: string[];

  beforeAll(async () => {
    const removePage = await buildReviewPage();
    browser = await startChromium();
    return removePage;
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    faults = [];
    source = createFakeSource();
    room = await openRoom(source, { secret, policy: { undoWindowMs } });
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    context.on("weberror", (fault) => faults.push(fault.error().message));
    context.on("console", (line) => {
      if (/Content.Security.Policy/i.test(line.text())) faults.push(line.text());
    });
  });
  afterEach(async () => {
    await context.close();
    await room.close();
    expect(faults).toEqual([]);
  });

  const hold = async (...cases: readonly CaseTraits[]): Promise<readonly string[]> => {
    const drawn = await Promise.all(cases.map(pictureCase));
    for (const { held, input } of drawn) source.hold(held, input);
    return drawn.map(({ label }) => label);
  };
  const answers = (): readonly unknown[] =>
    source.reviews.map(({ answer }) => (answer.kind === "label" ? answer.label : answer.kind));
  const untilAnswers = (count: number): Promise<void> => until(() => source.reviews.length >= count);
  const toast = (page: Page): Promise<void> => page.getByTestId("toast").waitFor();

  it("pairs by PIN, tells a wrong one, and keeps the code out of the address", async () => {
    const page = await context.newPage();
    const { url, pin } = room.pairing();
    await page.goto(url);
    await page.getByLabel("PIN").fill(pin === "000000" ? "111111" : "000000");
    await page.getByLabel("Your name").fill("Maja");
    await page.keyboard.press("Enter");
    await page.getByText("That is not the PIN on the screen now.").waitFor();
    expect(page.url()).not.toContain("#");
    await page.getByLabel("PIN").fill(room.pairing().pin);
    await page.keyboard.press("Enter");
    await page.getByText("All caught up").waitFor();
    expect(await page.locator(".reviewer").textContent()).toBe("Maja");
    await page.reload();
    await page.getByText("All caught up").waitFor();
  });

  it("answers five cases with the keyboard alone, each next one already loaded", async () => {
    const labels = await hold(...[1, 2, 3, 4, 5].map((n) => ({ n, leftMs: 600_000 + n })));
    const page = await pair(context, room, "Maja");
    for (let i = 0; i < 5; i += 1) {
      await seeCase(page);
      await page.keyboard.press("1");
    }
    await untilAnswers(5);
    expect(answers()).toEqual(labels);
    expect(source.reviews.every(({ tookMs, reviewer }) => (tookMs ?? 0) >= 150 && reviewer === "Maja")).toBe(true);
    await page.getByText("All caught up").waitFor();
    expect(await page.getByTestId("answered").textContent()).toBe("5 answered");
  });

  it("switches to the next case with the key itself, its picture loaded before", async () => {
    await hold({ n: 1, leftMs: 600_001 }, { n: 2, leftMs: 600_002 });
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    await page.locator(".picture[hidden].loaded").waitFor({ state: "attached" });
    const isThere = await page.evaluate(async () => {
      const before = document.querySelector(".picture:not([hidden]) img")?.getAttribute("src");
      dispatchEvent(new KeyboardEvent("keydown", { key: "1" }));
      // Before anything else of the page runs: the next frame shows it.
      const now = document.querySelector<HTMLImageElement>(".picture:not([hidden]) img");
      if (now === null || now.getAttribute("src") === before || !now.complete) return false;
      await now.decode();
      return now.naturalWidth > 0;
    });
    expect(isThere).toBe(true);
    await untilAnswers(1);
  });

  it("undoes an answer and lets the right one leave", async () => {
    await hold(
      {
        n: 1,
        leftMs: 600_001,
        suggestions: [
          ["Kiwi", 0.5],
          ["Lime", 0.4],
        ],
      },
      { n: 2, leftMs: 600_002 },
    );
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    const first = await page.locator(".picture:not([hidden]) img").getAttribute("src");
    await page.keyboard.press("1");
    await toast(page);
    await page.keyboard.press("Backspace");
    await page.locator(`.picture:not([hidden]) img[src="${first ?? ""}"]`).waitFor();
    await seeCase(page);
    await page.keyboard.press("2");
    await untilAnswers(1);
    expect(answers()).toEqual(["Lime"]);
  });

  it("finds a label by typing, with no mouse and no slash", async () => {
    await hold({ n: 1 });
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    // A lone b is "bad picture" a quarter of a second later: on a slow machine two keys of the driver may be that far apart.
    await page.evaluate(() => {
      for (const key of "ba") dispatchEvent(new KeyboardEvent("keydown", { key }));
    });
    await page.keyboard.type("nan");
    expect(await page.getByRole("combobox").inputValue()).toBe("banan");
    await page.keyboard.press("Enter");
    await untilAnswers(1);
    expect(answers()).toEqual(["Banana"]);
  });

  it("moves through what it found with the arrows, and by a tap", async () => {
    await hold({ n: 1, leftMs: 600_001 }, { n: 2, leftMs: 600_002 });
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    await page.keyboard.type("/oat");
    await page.getByRole("option").nth(1).waitFor();
    await page.keyboard.press("ArrowDown");
    const second = await page.locator('[role="option"][aria-selected="true"]').textContent();
    await page.keyboard.press("Enter");
    await seeCase(page);
    await page.getByRole("combobox").click();
    await page.getByRole("combobox").fill("granny");
    await page.getByRole("option", { name: "Granny Smith" }).click();
    await untilAnswers(2);
    expect(answers()[0]).toBe(second?.replaceAll(" ", "-"));
    expect(answers()[1]).toBe("Granny-Smith");
  });

  it("says “bad picture” and “cannot tell” by one key each", async () => {
    await hold({ n: 1, leftMs: 600_001 }, { n: 2, leftMs: 600_002 });
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    await page.keyboard.press("b");
    await toast(page);
    await seeCase(page);
    await page.keyboard.press("c");
    await untilAnswers(2);
    expect(answers()).toEqual(["bad_picture", "cannot_tell"]);
  });

  it("never shows one case to two reviewers", async () => {
    await hold(...[1, 2, 3, 4].map((n) => ({ n, leftMs: 600_000 + n })));
    const other = await browser.newContext();
    const pages = [await pair(context, room, "Maja"), await pair(other, room, "Ben")];
    const shown: string[] = [];
    for (const page of pages) {
      await seeCase(page);
      await page.locator(".picture").nth(1).waitFor({ state: "attached" });
      const ids = await page
        .locator(".picture img")
        .evaluateAll((images) => images.map((image) => image.getAttribute("src")));
      shown.push(...ids.map(String));
    }
    expect(shown).toHaveLength(4);
    expect(new Set(shown).size).toBe(4);
    await other.close();
  });

  it("takes a case that was settled elsewhere off the page, and says so", async () => {
    await hold({ n: 1 });
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    source.settle(heldCase({ n: 1 }, { kind: "entity", entity: "" }).id);
    await page.getByTestId("notice").getByText("settled elsewhere").waitFor();
    await page.getByText("All caught up").waitFor();
  });

  it("says that an answer of a lost lease did not count, and offers the case again", async () => {
    await room.close();
    room = await openRoom(source, { secret, policy: { undoWindowMs, leaseMs: 3_000 } });
    await hold({ n: 1 });
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    await context.setOffline(true);
    await page.waitForTimeout(3_200);
    await page.keyboard.press("1");
    await page.getByText("waits for the connection").waitFor();
    await context.setOffline(false);
    await page.getByTestId("notice").getByText("did not count").waitFor();
    expect(answers()).toEqual([]);
    await seeCase(page);
    await page.keyboard.press("1");
    await untilAnswers(1);
  });

  it("survives a restart of the server: a banner, the answer kept, the work goes on", async () => {
    const labels = await hold({ n: 1, leftMs: 600_001 }, { n: 2, leftMs: 600_002 });
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    await page.locator(".picture[hidden].loaded").waitFor({ state: "attached" });
    const { port } = room;
    await room.close();
    await page.getByTestId("offline").waitFor();
    await page.keyboard.press("1");
    await page.getByText("One answer is kept here").waitFor();
    room = await openRoom(source, { secret, port, policy: { undoWindowMs } });
    const back = page.getByTestId("offline").waitFor({ state: "detached" });
    // The page tries by itself as well: on a busy machine the button may be gone before the click reaches it.
    await Promise.race([page.getByRole("button", { name: "Try now" }).click(), back]);
    await back;
    // The lease was lost with the process: the page says that the answer did not count, and both cases come again.
    await page.getByTestId("notice").waitFor();
    for (let i = 0; i < 2; i += 1) {
      await seeCase(page);
      await page.keyboard.press("1");
    }
    await untilAnswers(2);
    expect(answers().toSorted()).toEqual([...labels].sort());
  });

  it("follows an answer until the device has it", async () => {
    await hold({ n: 1, leftMs: 600_001 }, { n: 2, leftMs: 600_002 }, { n: 3, leftMs: 600_003 });
    const page = await pair(context, room, "Maja");
    await seeCase(page);
    await page.keyboard.press("1");
    await page.locator('[data-phase="final"]').waitFor();
    source.deliver(source.reviews[0]?.id ?? "");
    await page.getByText("the device has it").waitFor();
  });

  it("shows a new case by itself", async () => {
    const page = await pair(context, room, "Maja");
    await page.getByText("All caught up").waitFor();
    await hold({ n: 1 });
    await seeCase(page);
  });

  it("shows cases without a picture as facts and curves, and a lost picture as lost", async () => {
    const grams = Float32Array.from({ length: 300 }, (_, i) => (i < 150 ? 1480 : 1020));
    const sequence: Input = { kind: "sequence", channels: ["grams"], hertz: 60, data: new Uint8Array(grams.buffer) };
    const traits = { n: 1, task: "action_recognition", leftMs: 600_001, suggestions: [["take", 0.7]] } as const;
    source.hold(heldCase(traits, sequence), sequence);
    const broken: Input = { kind: "image", encoding: "jpeg", data: Uint8Array.of(0xff, 0xd8, 0xff, 0) };
    source.hold(heldCase({ n: 2, leftMs: 600_002, suggestions: [["Kiwi", 0.5]] }, broken), broken);
    const page = await pair(context, room, "Maja");
    await page.getByText("1480 → 1020 (−460)").waitFor();
    expect(await page.locator(".spark-line").count()).toBe(1);
    await page.waitForTimeout(180);
    await page.keyboard.press("1");
    await page.getByText("This picture cannot be shown.").waitFor();
    await untilAnswers(1);
  });

  it("works by touch on a tablet: every target is at least 44 pixels, nothing scrolls sideways", async () => {
    await hold({ n: 1, leftMs: 600_001 }, { n: 2, leftMs: 600_002 });
    for (const viewport of [
      { width: 820, height: 1180 },
      { width: 1180, height: 820 },
      { width: 390, height: 844 },
    ]) {
      const tablet = await browser.newContext({ viewport, hasTouch: true, isMobile: true });
      const page = await pair(tablet, room, "Ben");
      await seeCase(page);
      const sizes = await page.locator("button:visible, input:visible").evaluateAll((targets) =>
        targets.map((target) => {
          const { width, height } = target.getBoundingClientRect();
          return { name: target.outerHTML.slice(0, 60), width, height };
        }),
      );
      expect(sizes.filter(({ width, height }) => width < 44 || height < 44)).toEqual([]);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
      await page.locator(".suggestion").first().tap();
      await toast(page);
      await page.locator(".toast-undo").tap();
      await page.getByTestId("toast").waitFor({ state: "detached" });
      await tablet.close();
    }
    expect(answers()).toEqual([]);
  });

  it("has no accessibility fault that axe finds, in any state", async () => {
    await context.close();
    // axe comes by injection, which the page's policy rightly forbids.
    context = await browser.newContext({ viewport: { width: 1280, height: 800 }, bypassCSP: true });
    await context.addInitScript(axe.source);
    const visitor = await context.newPage();
    await visitor.goto(room.url);
    await visitor.getByLabel("PIN").waitFor();
    expect(await axeFaults(visitor)).toEqual([]);
    const page = await pair(context, room, "Maja");
    await page.getByText("All caught up").waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await hold({ n: 1, leftMs: 600_001 }, { n: 2, leftMs: 600_002 }, { n: 3, leftMs: 50_000 });
    await seeCase(page);
    await page.keyboard.press("1");
    await page.keyboard.type("/oat");
    await page.getByRole("option").first().waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await axeFaults(page, ["color-contrast"])).toEqual([]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    expect(await axeFaults(page, ["color-contrast"])).toEqual([]);
    await page.keyboard.press("Escape");
    await context.setOffline(true);
    await page.getByTestId("offline").waitFor();
    expect(await axeFaults(page, ["color-contrast"])).toEqual([]);
    await page.emulateMedia({ colorScheme: "light" });
    expect(await axeFaults(page)).toEqual([]);
  });
});

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    if (isTrue()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error("it never came to that");
}
