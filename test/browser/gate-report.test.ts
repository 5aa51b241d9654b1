import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { reportHtml } from "../../edge-agent/cli/gate/report.node.ts";
import { type ScoreGroup, type Scores } from "../../edge-agent/cli/gate/score-table.ts";
import { clopperPearson } from "../../models/measure/binomial.ts";
import { certify } from "../../models/measure/certify.ts";
import { pointAt, riskCoverageCurve } from "../../models/measure/risk-coverage.ts";
import { temporaryFolder } from "../support/models-fixtures.ts";
import { seededDraw } from "../../models/measure/seeded-draw.ts";
import { axeFaults } from "./axe-faults.ts";
import { hasChromium, startChromium } from "./review-room.ts";

const contract = { maxError: 0.02, delta: 0.05 };

function group(key: ScoreGroup["key"], seed: number, items: number): ScoreGroup {
  const random = seededDraw(seed);
  const confidence = Float64Array.from({ length: items }, () => Math.round(random() * 1e4) / 1e4);
  const correct = Uint8Array.from(confidence, (c) => (random() < 0.5 * (1 - c) ** 2 ? 0 : 1));
  return { key, confidence, correct };
}

/** A name that would be a program, if the page let it. */
const hostile = '</script><img src=x onerror="document.title=1">';
const whole = group({}, 1, 3000);
const small = group({ store: hostile }, 2, 60);
const scores: Scores = {
  whole,
  groups: [small, group({ store: "b" }, 3, 2000)],
  rows: 3000,
  duplicates: 0,
  contradictions: 0,
  baskets: null,
};

describe.skipIf(!hasChromium)("the gate's report in Chromium", () => {
  const folder = temporaryFolder();
  const file = path.join(folder.path, "report.html");
  let browser: Browser;
  const asked: string[] = [];
  const faults: string[] = [];

  beforeAll(async () => {
    writeFileSync(file, reportHtml(scores, contract));
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(file);
    folder.remove();
  });

  async function open(colorScheme: "light" | "dark" = "light"): Promise<Page> {
    const page = await browser.newPage({ colorScheme });
    page.on("request", (request) => asked.push(request.url()));
    page.on("pageerror", (fault) => faults.push(String(fault)));
    page.on("console", (message) => faults.push(message.text()));
    await page.goto(pathToFileURL(file).href);
    return page;
  }

  it("shows the certificate and starts the slider on it", async () => {
    const page = await open();
    const { gateThreshold, accepted } = certify(whole.confidence, whole.correct, contract);
    expect(await page.locator("h1").textContent()).toContain(`Gate threshold ${gateThreshold ?? 0} is certified`);
    expect(await page.locator("#what-threshold").textContent()).toBe(String(gateThreshold));
    expect(await page.locator("#what-standing").textContent()).toBe("certified");
    expect(await page.locator("#what-coverage").textContent()).toContain(`${accepted} of 3000`);
    expect(await page.locator("#reliability rect").count()).toBe(15);
    expect(await page.locator("#reliability rect.few, #bins tr:has-text('few')").count()).toBe(0);
    await page.close();
  });

  it("names the contract where no curve can lie over it", async () => {
    const page = await open();
    const boxOf = async (selector: string) => {
      const box = await page.locator(selector).first().boundingBox();
      if (box === null) throw new Error(`${selector} is not drawn`);
      return box;
    };
    const groups = await page.locator("#group option").count();
    for (let at = 0; at < groups; at += 1) {
      await page.locator("#group").selectOption({ index: at });
      const name = await boxOf("#contract-name");
      expect(await page.locator("#contract-name").textContent()).toBe("contract: at most 2.00 %");
      for (const drawn of ["#curve .band", "#curve .risk", "#curve .choice", "#curve .grid"]) {
        expect((await boxOf(drawn)).y).toBeGreaterThanOrEqual(name.y + name.height);
      }
    }
    await page.close();
  });

  it("recomputes counts and exact intervals where the slider is moved, as Node computes them", async () => {
    const page = await open();
    await page.locator("#what").focus();
    for (const key of ["End", "ArrowLeft", "ArrowLeft", "Home", "ArrowRight", "PageUp"]) {
      await page.keyboard.press(key);
      const threshold = Number(await page.locator("#what-threshold").textContent());
      const { accepted, errors } = pointAt(riskCoverageCurve(whole.confidence, whole.correct), threshold);
      const { lower, upper } = clopperPearson(errors, accepted, 0.05);
      const shown = (share: number): string => `${(100 * share).toFixed(2)} %`;
      expect(await page.locator("#what-risk").textContent()).toBe(
        `${shown(errors / accepted)} (${errors} of ${accepted}; ${shown(lower)} to ${shown(upper)})`,
      );
      expect(await page.locator("#what-reviews").textContent()).toBe(String(Math.round(1000 * (1 - accepted / 3000))));
      expect(await page.locator("#what").getAttribute("aria-valuetext")).toContain(`gate threshold ${threshold}`);
    }
    expect(await page.locator("#what-standing").textContent()).toMatch(/certified/);
    await page.close();
  });

  it("draws another group when it is chosen, and says that sixty labels prove nothing", async () => {
    const page = await open();
    await page.locator("#group").selectOption({ index: 1 });
    expect(await page.locator("#what-standing").textContent()).toBe(
      "not certified: these labels prove no gate threshold",
    );
    expect(await page.locator("#bins tr").count()).toBeGreaterThan(3);
    // Sixty labels over fifteen bars: each of them rests on few, and the table says so as well.
    const bars = await page.locator("#reliability rect").count();
    expect(await page.locator("#reliability rect.few").count()).toBe(bars);
    expect(await page.locator("#bins tr").filter({ hasText: "(few)" }).count()).toBe(bars);
    expect(await page.getByRole("row").filter({ hasText: "store=" }).first().textContent()).toContain(
      "nothing certified",
    );
    await page.close();
  });

  it("takes a group's name for text, and asks for nothing but itself", async () => {
    const page = await open();
    expect(await page.title()).toBe("Gate report");
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.locator("#group option").nth(1).textContent()).toBe(`store=${hostile}`);
    expect(new Set(asked)).toEqual(new Set([pathToFileURL(file).href]));
    expect(faults).toEqual([]);
    await page.close();
  });

  it.each(["light", "dark"] as const)("has no fault that axe finds, %s", async (scheme) => {
    const page = await open(scheme);
    // The page's own policy forbids other programs, as it should: axe comes in by the debugger.
    const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await page.evaluate(axe);
    expect(await axeFaults(page)).toEqual([]);
    await page.close();
  });
});
