import axe from "axe-core";
import { type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HoldpointError, problemReply } from "../../protocol/index.ts";
import { callHub } from "../support/hub-agent.ts";
import { axeFaults } from "./axe-faults.ts";
import { addPerson, buildHubPages, openHub, password, signIn, type HubRoomForTests } from "./hub-room.ts";
import { seedStore, type SeededCase, type SeededStore } from "./hub-seed.ts";
import { hasChromium, startChromium } from "./review-room.ts";
import { WatchedPages } from "./watched-pages.ts";

/** What people may write, and what must stay text wherever it is shown. */
const script = `<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>`;

describe.skipIf(!hasChromium)("the hub's pages in Chromium", () => {
  let browser: Browser;
  let room: HubRoomForTests;
  let store: SeededStore;
  const pages = new WatchedPages();

  beforeAll(async () => {
    const removePages = await buildHubPages();
    // The hub's own undo window is ten seconds; nothing here depends on its length.
    room = await openHub({ reviewPolicy: { undoWindowMs: 1_500 } });
    await addPerson(room, { login: "ada", name: "Ada Lovelace", roles: ["admin", "reviewer", "lead"] });
    store = await seedStore(room, "store_1");
    // Cases that are known already would be mixed in: these tests count.
    const rules = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
    await callHub(room.hub.url, room.token, "PUT", "/v1/reviews/rules/product_identification", rules);
    await store.beat({}, [["product_identification", 0, 0]]);
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

  it("come under a policy without any unsafe word, assets for ever, the document by its tag", async () => {
    const document = await fetch(`${room.hub.url}/stores/x`);
    const policy = document.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|data:|https?:|\*/);
    const text = await document.text();
    expect(text).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=/);
    const etag = document.headers.get("etag") ?? "";
    const again = await fetch(`${room.hub.url}/`, { headers: { "if-none-match": etag } });
    expect([again.status, again.headers.get("content-security-policy")]).toEqual([304, policy]);
    const [name] = /\/assets\/[\w.-]+\.js/.exec(text) ?? [""];
    const asset = await fetch(`${room.hub.url}${name}`);
    expect(asset.headers.get("cache-control")).toContain("immutable");
    expect((await fetch(`${room.hub.url}/assets/..%2findex.html`)).status).toBe(404);
  });

  it("say that the hub failed where it did, and not that it is out of reach; what is asked again comes by itself", async () => {
    const page = await newPage();
    const failed = problemReply(HoldpointError.told(new TypeError("a bug")));
    const answer = { status: failed.status, headers: failed.headers, body: String(failed.body) };
    await page.route("**/v1/session", (route) => route.fulfill(answer));
    await page.goto(`${room.hub.url}/stores`);
    await page.getByText("The hub failed with this request. Trying again…").waitFor();
    await page.unroute("**/v1/session");
    await signIn(page, room, "ada", "/people");
    await page.route("**/v1/stores?*", (route) => route.fulfill(answer));
    await page.goto(`${room.hub.url}/stores`);
    await page.getByRole("alert").getByText("The hub failed with this request. It is asked again.").waitFor();
    expect(await page.getByText("cannot be reached").count()).toBe(0);
    await page.unroute("**/v1/stores?*");
    await page.getByRole("button", { name: "Try now" }).click();
    await page.getByText("store_1").first().waitFor();
  });

  it("let somebody in by invitation, tell a wrong password, and lead back out", async () => {
    const page = await newPage();
    await page.goto(`${room.hub.url}${room.invitationPath}`);
    await page.getByText("Welcome, Admin").waitFor();
    expect(page.url()).not.toContain("#");
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
    await page.locator(".rail").waitFor();
    await page.goto(`${room.hub.url}/settings`);
    await page.getByRole("button", { name: "Sign out" }).focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Login").waitFor();
    await page.keyboard.type("admin");
    await page.keyboard.press("Tab");
    await page.keyboard.type("a wrong one");
    await page.keyboard.press("Enter");
    await page.getByText("Login and password do not fit together.").waitFor();
  });

  it("let four reviewers work a hundred cases with no pointer at all, each case once, until the device has it", async () => {
    const plain: SeededCase["view"] = { inputKind: "features", facts: [{ name: "weight", value: "480 g" }] };
    const count = 100;
    await store.hold(Array.from({ length: count }, (_, n) => ({ n: 1, leftMs: 600_000 + n * 1_000, view: plain })));
    const people = await Promise.all([1, 2, 3, 4].map((n) => reviewer(n)));
    await Promise.all(people.map((page) => answerAll(page)));
    const answered = await Promise.all(
      people.map(async (page) => Number.parseInt((await page.getByTestId("answered").textContent()) ?? "", 10)),
    );
    expect(answered.reduce((sum, one) => sum + one, 0)).toBe(count);
    const told: string[] = [];
    while (told.length < count) told.push(...(await store.settle(500)).map(({ id }) => id));
    expect([told.length, new Set(told).size]).toEqual([count, count]);
    for (const page of people) {
      await page.getByText("the device has it").first().waitFor();
      expect(await page.evaluate(() => (globalThis as unknown as { pointers: number }).pointers)).toBe(0);
    }
  }, 120_000);

  async function reviewer(n: number): Promise<Page> {
    await addPerson(room, { login: `reviewer-${n}`, name: `Reviewer ${n}`, roles: ["reviewer"] });
    const page = await newPage();
    await page.addInitScript(() => {
      const counted = globalThis as unknown as { pointers: number };
      counted.pointers = 0;
      for (const kind of ["pointerdown", "mousedown", "mousemove", "touchstart"]) {
        addEventListener(kind, () => (counted.pointers += 1), true);
      }
    });
    await signIn(page, room, `reviewer-${n}`);
    return page;
  }

  /** One of the answers, as soon as a case can have been seen, until nothing is left. */
  async function answerAll(page: Page): Promise<void> {
    const isEmpty = page.getByTestId("empty");
    await page.locator("[data-testid=question], [data-testid=empty]").first().waitFor();
    while (!(await isEmpty.isVisible())) {
      await page.waitForTimeout(155);
      await page.keyboard.press("1");
    }
  }

  it("show the confirmed pictures of look-alikes beside a case, and hand one to a lead", async () => {
    const alike = [
      ["Royal-Gala", 0.5],
      ["Pink-Lady", 0.4],
    ] as const;
    await store.hold([{ n: 7, suggestions: alike }]);
    const page = await newPage();
    await signIn(page, room, "reviewer-1");
    await seen(page);
    await page.keyboard.press("1");
    await page.getByText("All caught up").waitFor();
    expect(await store.settle(15_000)).toHaveLength(1);
    // What others said reaches a lead as a fact, which stands beside the picture.
    await store.hold([{ n: 8, suggestions: alike, view: { facts: [{ name: "answer 1", value: "Pink-Lady" }] } }]);
    await seen(page);
    const beside = page.getByTestId("look-alikes").getByRole("img", { name: "A confirmed Royal Gala" });
    await beside.waitFor();
    expect(
      await beside.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth)),
    ).toBeGreaterThan(0);
    await page.keyboard.press("l");
    await page.getByText("All caught up").waitFor();
    const lead = await newPage();
    await signIn(lead, room, "ada", "/review");
    await seen(lead);
    await lead.locator(".chip", { hasText: "Answer 1" }).getByText("Pink Lady").waitFor();
    await lead.keyboard.press("2");
    await lead.getByTestId("toast").getByText("Pink Lady").waitFor();
  });

  async function seen(page: Page): Promise<void> {
    await page.locator(".picture:not([hidden]).loaded img").first().waitFor();
    await page.waitForTimeout(180);
  }

  it("change a layer by the keyboard: what is wrong, what changes where, why, and back again", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/config?layer=fleet");
    const text = page.getByRole("textbox", { name: "Text" });
    await text.focus();
    await page.keyboard.type("tasks:\n  cart:\nreview_within: 5 parsecs\n");
    await page
      .getByText(/^Line \d/)
      .first()
      .waitFor();
    await page.keyboard.press("Control+A");
    await text.fill("tasks:\n  cart_verification:\n    review_within: 5m\n");
    await page.getByText("tasks.cart_verification.review_within").waitFor();
    await page.getByRole("button", { name: "Look at the change" }).press("Enter");
    await page.getByLabel("Why").fill("People need longer");
    await page.keyboard.press("Enter");
    await page.getByText("Revision 1, changed").waitFor();
    await page.getByText("People need longer").waitFor();
    const layer = await callHub(room.hub.url, room.token, "GET", "/v1/config/layers/fleet/-");
    expect(layer.json).toMatchObject({ revision: 1, text: expect.stringContaining("review_within: 5m") as string });
  });

  it("show script in every text field as text", async () => {
    await addPerson(room, { login: "mallory", name: script, roles: ["reviewer", "lead"] });
    await store.beat({ reasons: [{ code: "odd", message: script }], state: "degraded" });
    const view = {
      question: script,
      context: { shelf: script },
      inputKind: "features",
      facts: [{ name: script, value: script }],
    };
    const [id = ""] = await store.hold([
      { n: 1, suggestions: [[script, 0.5]], leftMs: 60_000, view: { ...view, explanation: script } },
    ]);
    const put = { text: `# ${script}\ntasks: {}\n`, why: script, revision: 0 };
    const layer = await callHub(room.hub.url, room.token, "PUT", "/v1/config/layers/store/store_1", put);
    expect(layer).toMatchObject({ status: 200 });
    const found = await callHub(room.hub.url, room.token, "GET", `/v1/cases?search=${id}`);
    const [{ id: caseId }] = found.json["items"] as [{ id: string }];
    const page = await newPage();
    await signIn(page, room, "ada", "/people");
    const shown = [
      "people",
      "review",
      "cases",
      `cases/${caseId}`,
      "stores/store_1",
      "config",
      "config?layer=store&scope=store_1",
      "audit",
    ];
    for (const path of shown) {
      await page.goto(`${room.hub.url}/${path}`);
      if (path !== "cases") await page.getByText("onerror").first().waitFor();
      expect(await page.locator('img[src="x"], #app script').count()).toBe(0);
      expect(await page.title()).not.toBe("hacked");
    }
  });

  it("have no accessibility fault that axe finds, on any page, in light and dark", async () => {
    await store.beat({}, [["product_identification", 930, 41]]);
    await store.hold([1, 2].map((n) => ({ n })));
    // axe comes by injection, which the pages' policy rightly forbids.
    const page = await newPage({ bypassCSP: true });
    await page.addInitScript(axe.source);
    await page.goto(room.hub.url);
    await page.getByLabel("Login").waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await signIn(page, room, "ada", "/settings");
    const found = await callHub(room.hub.url, room.token, "GET", "/v1/cases?limit=1&state=final");
    const [{ id }] = found.json["items"] as [{ id: string }];
    const paths = ["review", "queues", "stores", "stores/store_1", "cases", `cases/${id}`, "automation", "people"];
    for (const path of [...paths, "config", "config?layer=fleet", "audit", "settings"]) {
      await page.goto(`${room.hub.url}/${path}`);
      await page.locator(".page-head, .panel").first().waitFor();
      await page.waitForFunction(() => document.querySelector(".loading") === null);
      expect({ path, faults: await axeFaults(page) }).toEqual({ path, faults: [] });
      await page.emulateMedia({ colorScheme: "dark" });
      expect({ path, dark: await axeFaults(page, ["color-contrast"]) }).toEqual({ path, dark: [] });
      await page.emulateMedia({ colorScheme: "light" });
    }
    await page.goto(`${room.hub.url}/people`);
    await page.getByRole("button", { name: "Ada Lovelace" }).press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    expect(await axeFaults(page)).toEqual([]);
  });

  it("lead everywhere by the keyboard, and back", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/stores");
    await page.getByRole("link", { name: "store_1" }).waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "store_1", level: 1 }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("p");
    await page.getByRole("heading", { name: "People" }).waitFor();
    await page.keyboard.press("Control+k");
    await page.keyboard.type("audit");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Audit log" }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "People" }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("H1");
  });

  it("open their dialogs before the next key can come, so that nothing typed is lost", async () => {
    const page = await newPage();
    await signIn(page, room, "ada", "/people");
    await page.getByRole("heading", { name: "People" }).waitFor();
    const focused = await page.evaluate(async () => {
      dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true }));
      // The next task of the page: where the next key would come in, long before the next frame.
      await new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = resolve;
        port2.postMessage(null);
      });
      return document.activeElement?.getAttribute("role");
    });
    expect(focused).toBe("combobox");
  });

  it("say of a key that a layer above has locked that it counts nothing, with its line", async () => {
    const call = (method: string, path: string, body?: unknown) =>
      callHub(room.hub.url, room.token, method, path, body);
    const { json } = await call("GET", "/v1/config/layers/fleet/-");
    const [before, revision] = [String(json["text"]), Number(json["revision"])];
    const locking = `${before}\nlocked: [thresholds.cart_verification]\n`;
    await call("PUT", "/v1/config/layers/fleet/-", { text: locking, revision, why: "test" });
    const page = await newPage();
    await signIn(page, room, "ada", "/config?layer=store&scope=store_1");
    await page.getByRole("textbox", { name: "Text" }).fill("thresholds:\n  cart_verification: 0.9\n");
    await page.getByText("counts nothing in 1 store: the fleet’s layer has locked it.").waitFor();
    await page.getByText("No store that reports here would run anything else.").waitFor();
    await page.getByRole("button", { name: "Line 2" }).press("Enter");
    const marked = await page
      .getByRole("textbox", { name: "Text" })
      .evaluate((field: HTMLTextAreaElement) => field.value.slice(field.selectionStart, field.selectionEnd));
    expect(marked).toBe("  cart_verification: 0.9");
    await call("PUT", "/v1/config/layers/fleet/-", { text: before, revision: revision + 1, why: "test" });
  });

  it("work on a tablet: nothing scrolls sideways, every target is large enough", async () => {
    const page = await newPage({ viewport: { width: 820, height: 1180 }, hasTouch: true, isMobile: true });
    await signIn(page, room, "ada", "/settings");
    for (const path of ["queues", "stores", "stores/store_1", "cases", "people", "config?layer=fleet", "audit"]) {
      await page.goto(`${room.hub.url}/${path}`);
      await page.locator(".page-head").waitFor();
      await page.waitForFunction(() => document.querySelector(".loading") === null);
      const overflow = await page.evaluate(() => {
        const main = document.querySelector("main");
        return Math.max(
          document.documentElement.scrollWidth - innerWidth,
          (main?.scrollWidth ?? 0) - (main?.clientWidth ?? 0),
        );
      });
      expect({ path, overflow }).toEqual({ path, overflow: 0 });
      const small = await page.locator("button:visible, select:visible, .rail a:visible").evaluateAll((targets) =>
        targets
          .filter((target) => !target.classList.contains("row-link"))
          .map(
            (target) =>
              ({ html: target.outerHTML.slice(0, 80), ...target.getBoundingClientRect().toJSON() }) as DOMRect & {
                html: string;
              },
          )
          .filter(({ width, height }) => width < 44 || height < 44)
          .map(({ html }) => html),
      );
      expect({ path, small }).toEqual({ path, small: [] });
    }
  });
});
