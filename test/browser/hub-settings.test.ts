import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
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
const sections = ["settings", "settings/rules", "settings/retention", "settings/webhooks"];
const dayMs = 86_400_000;
/** What people may write into an address, and what must stay text wherever it is shown. */
const script = `<img src=x onerror="document.title='hacked'">`;

describe.skipIf(!hasChromium)("the settings' pages in Chromium", () => {
  let browser: Browser;
  let room: HubRoomForTests;
  let receiver: Server;
  let address: string;
  /** The id of each call that the receiver took. */
  const heard: string[] = [];
  const pages = new WatchedPages();

  beforeAll(async () => {
    const removePages = await buildHubPages();
    room = await openHub({ allowedWebhookHosts: ["127.0.0.1"] });
    receiver = createServer((request, response) => {
      heard.push(String(request.headers["webhook-id"]));
      response.statusCode = request.url?.startsWith("/gone") === true ? 410 : 200;
      response.end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
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
    receiver.close();
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

  let revision = 0;
  const change = async (): Promise<void> => {
    const body = { text: `thresholds: { shelf: 0.${revision + 1} }\n`, revision, why: "x" };
    expect(await call("PUT", "/v1/config/layers/region/hooks", body)).toMatchObject({ status: 200 });
    revision += 1;
  };

  it("make a webhook by the keyboard, with its secret shown once, and show script in an address as text", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/settings/webhooks");
    await page.getByText("No program is told anything.").waitFor();
    await page.getByRole("button", { name: "New webhook" }).press("Enter");
    const dialog = page.getByRole("dialog", { name: "New webhook" });
    await dialog.waitFor();
    for (const [typed, refused] of [
      ["holdpoint", "Must be an https address."],
      ["https://192.168.0.1/", "this is no address of the public internet"],
    ] as const) {
      await dialog.getByLabel("Address").fill(typed);
      if (typed.startsWith("https")) await dialog.getByLabel(/^config\.changed/).press("Space");
      await dialog.getByLabel("Address").press("Enter");
      await dialog.getByText(refused).waitFor();
      expect(await dialog.getByLabel("Address").getAttribute("aria-invalid")).toBe("true");
    }
    await dialog.getByLabel("Address").fill(`${address}/hook?${script}`);
    await dialog.getByLabel("Stores").fill("not/a/store");
    await page.keyboard.press("Enter");
    await dialog.getByText("Must be a name of letters, digits, dots, dashes.").waitFor();
    await page.keyboard.press("Control+A");
    await page.keyboard.press("Delete");
    await dialog.getByLabel(/^config\.changed/).press("Space");
    await dialog.getByLabel("Address").press("Enter");
    await dialog.getByText("Must be one at least.").waitFor();
    await dialog.getByLabel(/^config\.changed/).press("Space");
    await dialog.getByRole("button", { name: "Make the webhook" }).press("Enter");
    const once = page.getByRole("dialog", { name: "The webhook's secret" });
    const secret = await once.getByLabel("Secret").inputValue();
    expect(secret).toMatch(/^whsec_/);
    await once.getByRole("button", { name: "Done" }).press("Enter");
    await page.getByRole("row").filter({ hasText: script }).waitFor();
    expect(await page.getByLabel("Secret").count()).toBe(0);
    expect(JSON.stringify((await call("GET", "/v1/webhooks")).json)).not.toContain(secret);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Webhook", level: 1 }).waitFor();
    await page.locator(".page-head").getByText(script).waitFor();
    expect(await page.locator('img[src="x"], #app script').count()).toBe(0);
    expect(await page.title()).toBe("Webhook · Holdpoint");
    expect(await audited("webhook.made")).toHaveLength(1);
  });

  it("show a webhook's deliveries, send one again, and delete the webhook when asked twice", async () => {
    const gone = await call("POST", "/v1/webhooks", { url: `${address}/gone`, events: ["config.changed"] });
    const page = await newPage();
    await signIn(page, room, "ada", "/settings/webhooks");
    await page.getByRole("link", { name: script }).press("Enter");
    await page.getByText("Nothing has happened yet that it is told.").waitFor();
    await change();
    const told = page.getByRole("table", { name: "Deliveries" });
    await told.getByText("sent", { exact: true }).waitFor();
    await expect.poll(() => heard.length).toBe(2);
    await told.getByRole("button", { name: /^Retry config\.changed/ }).press("Enter");
    await page.getByText("It is sent again.").waitFor();
    await expect.poll(() => heard.length).toBe(3);
    // The same event, so the receiver knows the repeat by its id.
    expect(new Set(heard).size).toBe(2);
    expect(await audited("webhook.retried")).toHaveLength(1);
    await page.getByLabel("State", { exact: true }).selectOption("dead");
    await page.getByText("No delivery is like that.").waitFor();
    await page.goto(`${room.hub.url}/settings/webhooks?webhook=${String(gone.json["id"])}`);
    await page.getByText("off: it wants no more").waitFor();
    await told.getByText("dead letter").waitFor();
    await told.getByText("410").waitFor();
    await page.getByRole("button", { name: "Delete" }).press("Enter");
    const sure = page.getByRole("dialog", { name: "Delete this webhook?" });
    await sure.waitFor();
    expect(await sure.getByRole("button", { name: "Keep it" }).evaluate((key) => key === document.activeElement)).toBe(
      true,
    );
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("The webhook is deleted.").waitFor();
    await page.getByRole("link", { name: script }).waitFor();
    expect(await page.getByRole("link", { name: "/gone" }).count()).toBe(0);
    expect(await audited("webhook.deleted")).toHaveLength(1);
  });

  it("show whoever may not change anything what holds, without a control, and a reviewer only their account", async () => {
    for (const login of ["ines", "ben"]) {
      const page = await newPage();
      await signIn(page, room, login, "/settings/rules");
      await page.getByRole("row").filter({ hasText: "Product identification" }).waitFor();
      await page.getByText("What the rules mean").waitFor();
      expect(await page.locator("main").getByRole("button").count()).toBe(0);
      const ways = page.getByRole("navigation", { name: "Sections of the settings" });
      expect(await ways.getByRole("link").allTextContents()).toEqual(["Your account", "Review rules", "Retention"]);
      await page.goto(`${room.hub.url}/settings/webhooks`);
      await page.getByText("There is no such section, or it is not for your role.").waitFor();
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
    const [webhook] = (await call("GET", "/v1/webhooks")).json["items"] as [{ id: string }];
    for (const path of [...sections, `settings/webhooks?webhook=${webhook.id}`]) {
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
    await page.goto(`${room.hub.url}/settings/webhooks`);
    await page.getByRole("button", { name: "New webhook" }).press("Enter");
    await dialog.getByLabel("Address").fill("https://example.com");
    await page.keyboard.press("Enter");
    await dialog.getByText("Must be one at least.").waitFor();
    expect(await axeFaults(page, ["color-contrast"])).toEqual([]);
    await page.emulateMedia({ colorScheme: "light" });
    expect(await axeFaults(page)).toEqual([]);
  });
});
