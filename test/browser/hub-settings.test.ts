import axe from "axe-core";
import { type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { callHub } from "../support/hub-agent.ts";
import { axeFaults } from "./axe-faults.ts";
import { cutOff } from "./cut-off.ts";
import { addPerson, buildHubPages, openHub, signIn, type HubRoomForTests } from "./hub-room.ts";
import { seedStore } from "./hub-seed.ts";
import { hasChromium, startChromium } from "./review-room.ts";
import { WatchedPages } from "./watched-pages.ts";

const task = "product_identification";
const sections = ["settings", "settings/rules", "settings/retention"];
const dayMs = 86_400_000;

describe.skipIf(!hasChromium)("the settings' pages in Chromium", () => {
  let browser: Browser;
  let room: HubRoomForTests;
  const pages = new WatchedPages();

  beforeAll(async () => {
    const removePages = await buildHubPages();
    room = await openHub();
    await addPerson(room, { login: "ada", name: "Ada Lovelace", roles: ["admin"] });
    await addPerson(room, { login: "ines", name: "Inês Duarte", roles: ["auditor"] });
    await addPerson(room, { login: "maja", name: "Maja Lind", roles: ["reviewer"] });
    await addPerson(room, { login: "ben", name: "Ben Okafor", roles: ["admin"], stores: ["store_1"] });
    const store = await seedStore(room, "store_1");
    await store.hold([{ n: 1 }]);
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

  const newPage = (options?: Parameters<Browser["newContext"]>[0]): Promise<Page> => pages.open(browser, options);
  const call = (method: string, path: string, body?: unknown) => callHub(room.hub.url, room.token, method, path, body);
  const audited = async (action: string) => (await call("GET", `/v1/audit?action=${action}`)).json["items"];

  it("lead from section to section by the keyboard, each at an address of its own", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/stores");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("review rules");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Review rules", level: 1 }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/settings/rules");
    const ways = page.getByRole("navigation", { name: "Sections of the settings" });
    expect(await ways.getByRole("link", { name: "Review rules" }).getAttribute("aria-current")).toBe("page");
    await ways.getByRole("link", { name: "Your account" }).press("Enter");
    await page.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "Review rules", level: 1 }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("H1");
    await page.goto(`${room.hub.url}/settings/nothing`);
    await page.getByText("There is no such section").waitFor();
  });

  it("change a task's review rules by the keyboard, and say at the field what the hub refuses", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/settings/rules");
    await page.getByRole("button", { name: "Product identification" }).waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Product identification" });
    await dialog.waitFor();
    await page.keyboard.press("Control+A");
    await page.keyboard.type("2");
    const gold = dialog.getByLabel("Gold");
    await gold.fill("60 %");
    await page.keyboard.press("Enter");
    await dialog.getByText("Must be a share from 0 to 0.5.").waitFor();
    expect(await gold.getAttribute("aria-invalid")).toBe("true");
    expect(await gold.evaluate((field) => field === document.activeElement)).toBe(true);
    await page.keyboard.press("Control+A");
    await page.keyboard.type("0.1");
    await dialog.getByLabel("Skill").fill("not a name");
    await page.keyboard.press("Enter");
    await dialog.getByText("Must be a name of letters, digits, dots, dashes.").waitFor();
    expect(await gold.getAttribute("aria-invalid")).toBe("false");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("produce");
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    const row = page.getByRole("row").filter({ hasText: "Product identification" });
    await row.getByText("10%").waitFor();
    await row.getByText("produce").waitFor();
    const found = (await call("GET", "/v1/reviews/rules")).json["tasks"];
    const rules = { reviewersNeeded: 2, adjudication: true, goldShare: 0.1, secondOpinionShare: 0, skill: "produce" };
    expect(found).toEqual([expect.objectContaining({ task, rules })]);
    expect(await audited("review_rules.changed")).toEqual([
      expect.objectContaining({ subject: `task:${task}`, detail: rules }),
    ]);
  });

  it("take rules for a task before its first case", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/settings/rules");
    await page.getByRole("button", { name: "Another task" }).press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await page.keyboard.type("late delivery");
    await dialog.getByLabel("Where they differ").selectOption({ label: "The majority decides" });
    await dialog.getByRole("button", { name: "Save" }).press("Enter");
    await dialog.getByText("Must be a name of letters, digits, dots, dashes.").waitFor();
    await dialog.getByLabel("Task").fill("late_delivery");
    await page.keyboard.press("Enter");
    const row = page.getByRole("row").filter({ hasText: "Late delivery" });
    await row.getByText("the majority decides").waitFor();
  });

  it("change how long a task's cases are kept by the keyboard, asking twice before a shorter time erases", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/settings/retention");
    await page.getByRole("button", { name: "Every other task" }).waitFor();
    const row = page.getByRole("row").filter({ hasText: "Product identification" });
    await row.getByText("as every other task").waitFor();
    await page.getByRole("button", { name: "Product identification" }).press("Enter");
    const dialog = page.getByRole("dialog", { name: "Product identification" });
    await dialog.waitFor();
    for (const refused of ["soon", "9999"]) {
      await page.keyboard.press("Control+A");
      await page.keyboard.type(refused);
      await page.keyboard.press("Enter");
      await dialog.getByText("Must be a time from an hour to ten years.").waitFor();
      expect(await dialog.getByLabel("Kept after the answer").getAttribute("aria-invalid")).toBe("true");
    }
    await page.keyboard.press("Control+A");
    await page.keyboard.type("90");
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    await row.getByText("90 d").waitFor();
    await page.getByRole("button", { name: "Product identification" }).press("Enter");
    await dialog.waitFor();
    await page.keyboard.press("Control+A");
    await page.keyboard.type("12");
    await dialog.getByLabel("Unit").selectOption("hours");
    await dialog.getByRole("button", { name: "Save" }).press("Enter");
    await dialog.getByText("12 h is less than 90 d").waitFor();
    expect((await call("GET", "/v1/retention")).json["tasks"]).toEqual([{ task, keepMs: 90 * dayMs }]);
    await dialog.getByRole("button", { name: "Save and erase" }).press("Enter");
    await dialog.waitFor({ state: "detached" });
    await row.getByText("12 h").waitFor();
    await page.getByRole("button", { name: "Product identification" }).press("Enter");
    await dialog.getByRole("button", { name: "As every other task" }).press("Enter");
    await dialog.waitFor({ state: "detached" });
    await row.getByText("30 d").waitFor();
    const details = ((await audited("retention.changed")) as { detail: unknown }[]).map(({ detail }) => detail);
    expect(details).toEqual([{ keepMs: null }, { keepMs: dayMs / 2 }, { keepMs: 90 * dayMs }]);
  });

  it("say how long stores keep inputs, and lead to the layer that says it", async () => {
    const layer = { text: "retention: { input_keep: 2d }\n", revision: 0, why: "x" };
    expect(await call("PUT", "/v1/config/layers/store/store_1", layer)).toMatchObject({ status: 200 });
    const page = await newPage();
    await signIn(page, room, "ada", "/settings/retention");
    const kept = page.getByRole("table", { name: "Kept in the stores" });
    await kept.getByRole("row").filter({ hasText: "Store store_1" }).getByText("2 d").waitFor();
    await kept.getByRole("link", { name: "Store store_1" }).press("Enter");
    await page.getByRole("heading", { name: "Store store_1", level: 1 }).waitFor();
  });

  it("show whoever may not change anything what holds, without a control, and a reviewer only their account", async () => {
    for (const login of ["ines", "ben"]) {
      const page = await newPage();
      await signIn(page, room, login, "/settings/rules");
      await page.getByRole("row").filter({ hasText: "Product identification" }).waitFor();
      await page.getByText("What the rules mean").waitFor();
      expect(await page.locator("main").getByRole("button").count()).toBe(0);
      await page.goto(`${room.hub.url}/settings/retention`);
      await page.getByRole("row").filter({ hasText: "Product identification" }).waitFor();
      expect(await page.locator("main").getByRole("button").count()).toBe(0);
    }
    const page = await newPage();
    await signIn(page, room, "maja", "/settings/rules");
    await page.getByText("There is no such section, or it is not for your role.").waitFor();
    expect(await page.getByRole("navigation", { name: "Sections of the settings" }).count()).toBe(0);
    await page.keyboard.press("Control+k");
    await page.keyboard.type("settings");
    expect(await page.getByRole("option").allTextContents()).toEqual(["Settings"]);
  });

  it("have no accessibility fault that axe finds, in light and dark, and nothing is cut on a tablet", async () => {
    const page = await newPage({ bypassCSP: true });
    await page.addInitScript(axe.source);
    await signIn(page, room, "ada", "/stores");
    for (const path of sections) {
      await page.goto(`${room.hub.url}/${path}`);
      await page.locator(".page-head").waitFor();
      await page.waitForFunction(() => document.querySelector(".loading") === null);
      expect({ path, faults: await axeFaults(page) }).toEqual({ path, faults: [] });
      await page.emulateMedia({ colorScheme: "dark" });
      expect({ path, dark: await axeFaults(page, ["color-contrast"]) }).toEqual({ path, dark: [] });
      await page.emulateMedia({ colorScheme: "light" });
      for (const width of [768, 820]) {
        await page.setViewportSize({ width, height: 1180 });
        expect({ path, width, cut: await cutOff(page) }).toEqual({ path, width, cut: [] });
      }
      await page.setViewportSize({ width: 1280, height: 800 });
    }
    await page.goto(`${room.hub.url}/settings/rules`);
    await page.getByRole("button", { name: "Product identification" }).press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Gold").fill("no");
    await page.keyboard.press("Enter");
    await dialog.getByText("Must be a share").waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await axeFaults(page, ["color-contrast"])).toEqual([]);
  });
});
