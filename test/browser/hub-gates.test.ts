import axe from "axe-core";
import { type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { callHub } from "../support/hub-agent.ts";
import { gateTask } from "../support/hub-gate.ts";
import { axeFaults } from "./axe-faults.ts";
import { cutOff } from "./cut-off.ts";
import { seedCoarseGate, seedGate, seedProposal } from "./gate-seed.ts";
import { addPerson, buildHubPages, openHub, signIn, type HubRoomForTests } from "./hub-room.ts";
import { hasChromium, startChromium } from "./review-room.ts";
import { WatchedPages } from "./watched-pages.ts";

describe.skipIf(!hasChromium)("the gates' pages in Chromium", () => {
  let browser: Browser;
  let room: HubRoomForTests;
  const pages = new WatchedPages();

  beforeAll(async () => {
    const removePages = await buildHubPages();
    room = await openHub();
    await addPerson(room, { login: "ada", name: "Ada Lovelace", roles: ["admin"] });
    await addPerson(room, { login: "ines", name: "Inês Duarte", roles: ["auditor"] });
    await seedGate(room, "store_1");
    await seedProposal(room);
    browser = await startChromium();
    return removePages;
  });
  afterEach(async () => {
    expect(await pages.close()).toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await room.close();
  });

  const newPage = (options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> =>
    pages.open(browser, { viewport: { width: 1280, height: 900 }, ...options });

  it("lead from the list to one gate, and from there to what another gate threshold would mean, by the keyboard", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/stores");
    await page.keyboard.press("g");
    await page.keyboard.press("e");
    await page.getByRole("heading", { name: "Gates", level: 1 }).waitFor();
    await page.getByText("at most 5 % wrong").waitFor();
    await page.getByRole("table").getByText("certified").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: /product identification/i, level: 1 }).waitFor();
    await page.getByRole("img", { name: /Risk over coverage of 260 labels/ }).waitFor();
    await page.getByRole("img", { name: /Evidence over time/ }).waitFor();
    // Each bar with its interval; 260 labels over eight bars are more than few in each.
    const diagram = page.getByRole("img", { name: /Reliability/ });
    expect(await diagram.locator(".plot-interval").count()).toBe(await diagram.locator(".plot-bar").count());
    await page.getByRole("region", { name: "Reliability", exact: true }).locator("summary").click();
    await page.getByRole("table", { name: "Reliability" }).getByRole("columnheader", { name: "Interval" }).waitFor();
    const slider = page.getByRole("slider");
    await slider.focus();
    const before = await page.getByRole("status").filter({ hasText: "Of 1,000 decisions" }).textContent();
    for (let press = 0; press < 8; press += 1) await page.keyboard.press("ArrowLeft");
    const after = await page.getByRole("status").filter({ hasText: "Of 1,000 decisions" }).textContent();
    expect(after).not.toBe(before);
    await page.getByText(/people can take 250/).waitFor();
    const offers = page.getByRole("table", { name: "What a tighter or a looser promise would cost" });
    await offers.getByText("≤ 5 % wrong (now)").waitFor();
    expect(await offers.getByRole("row").count()).toBe(4);
    await offers
      .getByText(/\d EUR$/)
      .first()
      .waitFor();
    await page.getByRole("row").filter({ hasText: "The world" }).getByText("260").waitFor();
  });

  it("say what a certificate of coarse answers speaks of", async () => {
    const task = await seedCoarseGate(room, "store_9");
    const page = await newPage();
    await signIn(page, room, "ada", "/gates");
    await page.getByRole("row").filter({ hasText: "coarse" }).click();
    await page.getByRole("heading", { name: /shelf check, coarse answers/i, level: 1 }).waitFor();
    await page.getByText("cases whose fine confidence is below 0.9.").waitFor();
    await page.getByRole("img", { name: /Risk over coverage of 260 labels/ }).waitFor();
    const link = page.getByRole("link", { name: "Labels as CSV" });
    expect(await link.getAttribute("href")).toContain(`task=${task}`);
    expect(await link.getAttribute("href")).toContain("rung=coarse");
  });

  it("show a change of the gate without being asked again", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", `/gates/${gateTask}`);
    await page.getByRole("img", { name: /Risk over coverage/ }).waitFor();
    await callHub(room.hub.url, room.token, "POST", `/v1/gates/${gateTask}/raise`, {
      gateThreshold: 0.9876,
      why: "test",
    });
    await page.getByText("0.9876").first().waitFor({ timeout: 5_000 });
    await callHub(room.hub.url, room.token, "POST", `/v1/gates/${gateTask}/raise`, {
      gateThreshold: "evidence",
      why: "x",
    });
    await page.locator(".stats").getByText("proved at the launch").waitFor({ timeout: 5_000 });
  });

  it("raise a gate threshold and take the raise back", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", `/gates/${gateTask}`);
    await page.getByRole("button", { name: "Raise", exact: true }).press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Why").fill("Christmas");
    // A blank is no gate threshold, and does not mean "nothing is accepted".
    await page.keyboard.press("Enter");
    await dialog.getByText("Say which gate threshold: a number from 0 to 1.").waitFor();
    await dialog.getByLabel("Nothing is accepted: every decision goes to people").check();
    await dialog.getByText(/→ 1000 reviews per 1,000 decisions/).waitFor();
    await dialog.getByLabel("A gate threshold").check();
    await dialog.getByLabel("Gate threshold", { exact: true }).fill("0.1");
    await page.keyboard.press("Enter");
    await dialog.getByText(/holds now: only evidence lowers one/).waitFor();
    await dialog.getByLabel("Gate threshold", { exact: true }).fill("0.9765");
    await dialog.getByText(/By 260 labels: \d+ → 9\d\d reviews per 1,000 decisions, and [\d.]+ → 0.0 wrong/).waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("Raised; the agents are told.").waitFor();
    await page.locator(".stats").getByText("0.9765").waitFor();
    await page.locator(".stats").getByText("raised by hand").waitFor();
    // Who, when and why; what is proved is said of the gate threshold that it is proved of.
    await page.getByText(/Raised to 0.9765, by Ada Lovelace/).waitFor();
    await page.getByText(/: Christmas$/).waitFor();
    await page
      .locator(".stats")
      .getByText(/wrong from the proved 0\.\d+ on/)
      .waitFor();
    const lines = page.getByRole("table", { name: "Certificates, newest first" }).getByRole("row");
    await lines.nth(1).filter({ hasText: "raised by hand" }).getByText("in force").waitFor();
    await lines.nth(2).filter({ hasText: "proved at the launch" }).getByText("raised by hand").waitFor();
    await page.getByRole("button", { name: "Take the raise back" }).press("Enter");
    await page.getByRole("dialog").getByText("0.9765").waitFor();
    await page.getByLabel("Why").fill("Over");
    await page.keyboard.press("Enter");
    await page.getByText("Taken back; the agents are told.").waitFor();
    await page.locator(".stats").getByText("proved at the launch").waitFor();
    expect(await page.getByRole("button", { name: "Take the raise back" }).count()).toBe(0);
    expect(await page.getByText(/by Ada Lovelace/).count()).toBe(0);
    await lines.nth(2).filter({ hasText: "raised by hand" }).getByText("the raise was taken back").waitFor();
  });

  it("have no accessibility fault that axe finds, in light and dark, and nothing scrolls sideways on a tablet", async () => {
    const page = await newPage({ bypassCSP: true });
    await page.addInitScript(axe.source);
    await signIn(page, room, "ada", "/settings");
    for (const path of ["gates", `gates/${gateTask}`]) {
      await page.goto(`${room.hub.url}/${path}`);
      await page.getByRole("heading", { name: "Proposals" }).waitFor();
      expect({ path, faults: await axeFaults(page) }).toEqual({ path, faults: [] });
      await page.emulateMedia({ colorScheme: "dark" });
      expect({ path, dark: await axeFaults(page, ["color-contrast"]) }).toEqual({ path, dark: [] });
      await page.emulateMedia({ colorScheme: "light" });
      for (const width of [768, 820]) {
        await page.setViewportSize({ width, height: 1180 });
        expect({ path, width, cut: await cutOff(page) }).toEqual({ path, width, cut: [] });
      }
      await page.setViewportSize({ width: 1280, height: 900 });
    }
    await page.getByRole("button", { name: "Raise", exact: true }).press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await axeFaults(page)).toEqual([]);
  });

  it("stand on the store's page, with what lets nothing through", async () => {
    const page = await newPage({ bypassCSP: true });
    await page.addInitScript(axe.source);
    await signIn(page, room, "ada", "/stores/store_1");
    const held = page.getByRole("table", { name: "Gates that hold in this store" });
    await held.getByText("certified").waitFor();
    expect(await axeFaults(page)).toEqual([]);
    const raise = (gateThreshold: unknown) =>
      callHub(room.hub.url, room.token, "POST", `/v1/gates/${gateTask}/raise`, { gateThreshold, why: "test" });
    await raise(null);
    await held.getByText("nothing is accepted").waitFor({ timeout: 5_000 });
    await raise("evidence");
    await held.getByText("nothing is accepted").waitFor({ state: "detached", timeout: 5_000 });
    await held.getByRole("link", { name: /product identification/i }).click();
    await page.getByRole("heading", { name: /product identification/i, level: 1 }).waitFor();
  });

  it("whoever may only read has no button that changes anything", async () => {
    const page = await newPage();
    await signIn(page, room, "ines", `/gates/${gateTask}`);
    await page.getByRole("heading", { name: "Proposals" }).waitFor();
    expect(await page.getByRole("button", { name: "Change the config" }).count()).toBe(0);
    expect(await page.getByRole("button", { name: "Raise" }).count()).toBe(0);
  });

  it("one button makes a proposal a change of the config", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", `/gates/${gateTask}`);
    const proposal = page
      .getByRole("listitem")
      .filter({ has: page.getByRole("heading", { name: /^Lower the gate for product identification in one store/ }) });
    await proposal.getByRole("button", { name: "Change the config" }).press("Enter");
    await page.getByLabel("Why").fill("The certificate allows it");
    await page.keyboard.press("Enter");
    await page.getByText("The config was changed; the agents are told.").waitFor();
    const layer = await callHub(room.hub.url, room.token, "GET", "/v1/config/layers/store/store_1");
    expect(layer.json).toMatchObject({ revision: 2 });
    expect(layer.json["text"]).not.toContain("0.97");
    await proposal.waitFor({ state: "detached" });
  });

  it("a promise that people can serve is proposed, and another one begins with no label", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", `/gates/${gateTask}`);
    const proposal = page.getByRole("listitem").filter({
      has: page.getByRole("heading", { name: /^Promise at most [\d.]+ % wrong .*: people can look at 250/ }),
    });
    await proposal.getByText(/everything goes to people until labels of its own prove a gate threshold/).waitFor();
    await proposal.getByRole("button", { name: "Change the config" }).press("Enter");
    await page.getByLabel("Why").fill("Two people are ill");
    await page.keyboard.press("Enter");
    await page.getByText("The config was changed; the agents are told.").waitFor();
    const { json } = await callHub(room.hub.url, room.token, "GET", "/v1/config/layers/fleet/-");
    expect(json["text"]).toMatch(/max_error: 0\.[1-9]\d*, delta: 0\.1 /);
    expect(json["text"]).not.toContain("max_error: 0.05");
    // Nothing is lowered by it: what was certified is withdrawn until the new promise is.
    await page.locator(".stats").getByText("nothing is accepted").waitFor({ timeout: 10_000 });
    await page.getByText(/labels more until the launch is tried/).waitFor();
    const lines = page.getByRole("table", { name: "Certificates, newest first" }).getByRole("row");
    await lines.nth(2).getByText("another promise").waitFor();
  });
});
