import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { callHub } from "../support/hub-agent.ts";
import { enterPerson, openBrowser } from "../support/hub-people.ts";
import { overBothDatabases, type StartHub } from "../support/hub-start.ts";

overBothDatabases("people", people);

function people(start: StartHub): void {
  let hub: RunningHub;
  let token: string;
  let invitationPath: string | null;
  beforeAll(async () => {
    ({ hub, token, invitationPath } = await start());
  });
  afterAll(() => hub.close());

  const admin = (method: string, path: string, body?: unknown) => callHub(hub.url, token, method, path, body);
  const add = async (login: string, more: Readonly<Record<string, unknown>> = {}) => {
    const answer = await admin("POST", "/v1/people", { login, name: login, roles: ["reviewer"], ...more });
    const { person, invitation } = answer.json as { person: { id: string }; invitation: { token: string } };
    return { ...answer, id: person.id, invitation: invitation.token };
  };
  const password = "violet harbour kettle";

  test("the first start invites the first admin to a page, with the secret behind the #", async () => {
    expect(invitationPath).toMatch(/^\/invitation#hpi_[0-9a-f]{64}$/);
    const invitation = invitationPath?.split("#")[1];
    const browser = openBrowser(hub.url);
    expect(await browser.call("POST", "/v1/invitation/person", { token: invitation })).toMatchObject({
      json: { login: "admin" },
    });
    const taken = await browser.call("POST", "/v1/invitation", { token: invitation, password });
    expect(taken).toMatchObject({ status: 200, json: { signedIn: { person: { roles: ["admin"] } } } });
    expect(await browser.call("GET", "/v1/people")).toMatchObject({ status: 200 });
  });

  test("an invitation sets a password once, signs in, and the password signs in again", async () => {
    const { invitation } = await add("Ada", { skills: ["produce"], stores: ["store_1"] });
    const [first, second] = [openBrowser(hub.url), openBrowser(hub.url)];
    const both = await Promise.all(
      [first, second].map((browser) => browser.call("POST", "/v1/invitation", { token: invitation, password })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([200, 403]);
    expect(both.find(({ status }) => status === 403)?.json).toMatchObject({ code: "HP_TOKEN" });
    const browser = openBrowser(hub.url);
    const entered = await browser.call("POST", "/v1/session", { login: "ADA", password });
    const session = {
      person: { login: "ada", permissions: ["review"], stores: ["store_1"], tasks: null, skills: ["produce"] },
    };
    expect(entered).toMatchObject({
      status: 200,
      json: { signedIn: session, methods: { password: true, oidc: null } },
    });
    expect(await browser.call("GET", "/v1/session")).toMatchObject({ status: 200, json: { signedIn: session } });
    const cookie = entered.headers.getSetCookie().find((line) => line.startsWith("holdpoint_session="));
    expect(cookie).toMatch(/^holdpoint_session=hps_[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=86400$/);
  });

  test("signing out ends the session, also for whoever copied its cookie", async () => {
    const { browser } = await enterPerson(hub.url, token, "admin");
    const copy = openBrowser(hub.url);
    for (const [name, value] of browser.cookies) copy.cookies.set(name, value);
    expect(await copy.call("GET", "/v1/people")).toMatchObject({ status: 200 });
    expect(await browser.call("DELETE", "/v1/session")).toMatchObject({ status: 200, json: { done: true } });
    expect(await copy.call("GET", "/v1/people")).toMatchObject({ status: 401, json: { code: "HP_UNAUTHORIZED" } });
    expect(await copy.call("GET", "/v1/session")).toMatchObject({ status: 200, json: { signedIn: null } });
  });

  test("an unknown login, a wrong password and a disabled account get one and the same answer", async () => {
    const person = await enterPerson(hub.url, token, "reviewer");
    await admin("POST", `/v1/people/${person.id}`, { disabled: true });
    const tries = [
      { login: "nobody-here", password: person.password },
      { login: person.login, password: "a wrong one altogether" },
      { login: person.login, password: person.password },
    ];
    const answers = [];
    for (const given of tries) answers.push(await openBrowser(hub.url).call("POST", "/v1/session", given));
    expect(new Set(answers.map(({ status, json }) => JSON.stringify([status, json]))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 401, json: { code: "HP_UNAUTHORIZED" } });
    expect(await person.browser.call("GET", "/v1/session")).toMatchObject({ json: { signedIn: null } });
  });

  test("a new password ends every other session and the old password", async () => {
    const person = await enterPerson(hub.url, token, "reviewer");
    const other = openBrowser(hub.url);
    await other.call("POST", "/v1/session", person.secret);
    const next = "seven quiet lanterns";
    const change = (current: string, wanted: string) =>
      person.browser.call("POST", "/v1/session/password", { current, next: wanted });
    expect(await change("not the one it is", next)).toMatchObject({ status: 401 });
    expect(await change(person.password, "short")).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    expect(await change(person.password, next)).toMatchObject({ status: 200 });
    expect(await other.call("GET", "/v1/session")).toMatchObject({ json: { signedIn: null } });
    expect(await person.browser.call("GET", "/v1/session")).toMatchObject({ json: { signedIn: { person: {} } } });
    const { login } = person;
    expect(await other.call("POST", "/v1/session", { login, password: person.password })).toMatchObject({
      status: 401,
    });
    expect(await other.call("POST", "/v1/session", { login, password: next })).toMatchObject({ status: 200 });
  });

  test("a stranger who tries passwords is delayed, and the owner's own browser is not", async () => {
    const person = await enterPerson(hub.url, token, "reviewer");
    const stranger = openBrowser(hub.url);
    const wrong = { login: person.login, password: "wrong wrong wrong" };
    const answers = await Promise.all(Array.from({ length: 12 }, () => stranger.call("POST", "/v1/session", wrong)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(8);
    expect(refused).toHaveLength(4);
    expect(refused[0]?.json).toMatchObject({ code: "HP_RATE", retry: "backoff" });
    expect(Number(refused[0]?.json["retryAfterMs"])).toBeGreaterThan(1000);
    expect(await stranger.call("POST", "/v1/session", person.secret)).toMatchObject({ status: 429 });
    await person.browser.call("DELETE", "/v1/session");
    expect(await person.browser.call("POST", "/v1/session", person.secret)).toMatchObject({ status: 200 });
  });

  test("nobody gives away more than they may do, and nobody takes the last admin away", async () => {
    const lead = await enterPerson(hub.url, token, "lead");
    expect(await lead.browser.call("POST", "/v1/people", { login: "x", name: "X", roles: ["reviewer"] })).toMatchObject(
      {
        status: 403,
      },
    );
    const local = await enterPerson(hub.url, token, "admin", { stores: ["store_1"] });
    const give = (grant: Readonly<Record<string, unknown>>) =>
      local.browser.call("POST", "/v1/people", {
        login: `of-local-${JSON.stringify(grant).length}`,
        name: "X",
        ...grant,
      });
    expect(await give({ roles: ["reviewer"] })).toMatchObject({ status: 403, json: { code: "HP_FORBIDDEN" } });
    expect(await give({ roles: ["reviewer"], stores: ["store_1", "store_2"] })).toMatchObject({ status: 403 });
    expect(await give({ roles: ["admin"], stores: ["store_1"] })).toMatchObject({ status: 200 });
    const list = await admin("GET", "/v1/people?limit=200");
    const first = (list.json["items"] as { id: string; login: string }[]).find(({ login }) => login === "admin");
    // The account of the whole hub: an admin of one store can neither change it nor invite somebody into it.
    expect(await local.browser.call("POST", `/v1/people/${first?.id}`, { name: "Mine" })).toMatchObject({
      status: 403,
    });
    expect(await local.browser.call("POST", `/v1/people/${first?.id}/invitation`)).toMatchObject({ status: 403 });
    const second = await enterPerson(hub.url, token, "admin");
    const retire = (id: string | undefined, change: object) => admin("POST", `/v1/people/${id}`, change);
    const whole = (list.json["items"] as { id: string; roles: string[]; stores: null | string[] }[]).filter(
      ({ roles, stores }) => roles.includes("admin") && stores === null,
    );
    for (const { id } of whole) expect(await retire(id, { roles: ["lead"] })).toMatchObject({ status: 200 });
    expect(await retire(second.id, { disabled: true })).toMatchObject({ status: 409, json: { code: "HP_CONFLICT" } });
    expect(await retire(second.id, { stores: ["store_1"] })).toMatchObject({ status: 409 });
    expect(await retire(second.id, { name: "Still here" })).toMatchObject({
      status: 200,
      json: { name: "Still here" },
    });
  });

  test("two admins who retire each other at once leave one of them", async () => {
    const { hub: own, token: ownToken } = await start();
    try {
      const [one, two] = [await enterPerson(own.url, ownToken, "admin"), await enterPerson(own.url, ownToken, "admin")];
      const people = await callHub(own.url, ownToken, "GET", "/v1/people");
      const first = (people.json["items"] as { id: string; login: string }[]).find(({ login }) => login === "admin");
      await callHub(own.url, ownToken, "POST", `/v1/people/${first?.id}`, { disabled: true });
      const answers = await Promise.all([
        one.browser.call("POST", `/v1/people/${two.id}`, { disabled: true }),
        two.browser.call("POST", `/v1/people/${one.id}`, { disabled: true }),
      ]);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    } finally {
      await own.close();
    }
  });

  test("roles, scope and name change at once for whoever is signed in; the login is unique", async () => {
    const person = await enterPerson(hub.url, token, "reviewer");
    expect(await person.browser.call("GET", "/v1/people")).toMatchObject({ status: 403 });
    const change = { roles: ["lead"], stores: ["store_7"], name: "Renamed" };
    expect(await admin("POST", `/v1/people/${person.id}`, change)).toMatchObject({ status: 200, json: change });
    expect(await person.browser.call("GET", "/v1/people")).toMatchObject({ status: 200 });
    await add("taken");
    expect(await admin("POST", `/v1/people/${person.id}`, { login: "taken" })).toMatchObject({ status: 409 });
    expect(await admin("POST", "/v1/people", { login: "Taken", name: "T", roles: ["lead"] })).toMatchObject({
      status: 409,
      json: { code: "HP_CONFLICT" },
    });
    expect(await admin("POST", "/v1/people/nobody", { name: "x" })).toMatchObject({ status: 404 });
  });

  test("the list of people goes on where its cursor says, without one twice", async () => {
    const seen: string[] = [];
    const take = async (query: string): Promise<void> => {
      const page = await admin("GET", `/v1/people?limit=3${query}`);
      const { items, cursor } = page.json as { items: { login: string }[]; cursor: string | null };
      expect(items.length).toBeLessThanOrEqual(3);
      seen.push(...items.map(({ login }) => login));
      if (cursor !== null) await take(`&cursor=${cursor}`);
    };
    await take("");
    expect(seen.length).toBeGreaterThan(5);
    expect(seen).toEqual([...new Set(seen)].sort());
  });

  test("an API token has its roles and scope until it is revoked", async () => {
    const made = await admin("POST", "/v1/tokens", { name: "shelf tool", roles: ["auditor"], stores: ["store_1"] });
    const { id, token: other } = made.json as { id: string; token: string };
    expect(await callHub(hub.url, other, "GET", "/v1/people")).toMatchObject({ status: 200 });
    expect(await callHub(hub.url, other, "POST", "/v1/tokens", { name: "x", roles: ["auditor"] })).toMatchObject({
      status: 403,
    });
    const listed = await admin("GET", "/v1/tokens");
    expect(JSON.stringify(listed.json)).not.toContain(other);
    expect(listed.json["items"]).toContainEqual(
      expect.objectContaining({ id, name: "shelf tool", stores: ["store_1"] }),
    );
    expect(await admin("DELETE", `/v1/tokens/${id}`)).toMatchObject({ json: { revoked: true } });
    expect(await admin("DELETE", `/v1/tokens/${id}`)).toMatchObject({ json: { revoked: false } });
    expect(await callHub(hub.url, other, "GET", "/v1/people")).toMatchObject({ status: 401 });
  });

  test("what is of every store or task is not for an admin of some", async () => {
    const rules = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
    const webhook = { url: "https://hooks.example/", events: ["case.final"] };
    const make = async (path: string, body: object): Promise<Readonly<Record<string, string>>> =>
      (await admin("POST", path, body)).json as Record<string, string>;
    const whole = await make("/v1/tokens", { name: "whole", roles: ["auditor"] });
    const wholeKey = await make("/v1/work-keys", { name: "whole" });
    const adminOf = async (scope: object) => {
      const { token: own = "", id = "" } = await make("/v1/tokens", { name: "some", roles: ["admin"], ...scope });
      const status = async (...call: [method: string, path: string, body?: unknown]): Promise<number> =>
        (await callHub(hub.url, own, ...call)).status;
      return { id, status };
    };
    const ofStore = await adminOf({ stores: ["store_1"] });
    expect(await ofStore.status("PUT", "/v1/retention/-", { keepMs: 3_600_000 })).toBe(403);
    expect(await ofStore.status("PUT", "/v1/retention/shelf", { keepMs: 3_600_000 })).toBe(403);
    expect(await ofStore.status("PUT", "/v1/reviews/rules/shelf", rules)).toBe(403);
    expect(await ofStore.status("POST", "/v1/webhooks", webhook)).toBe(403);
    expect(await ofStore.status("DELETE", `/v1/tokens/${whole["id"]}`)).toBe(403);
    expect(await ofStore.status("DELETE", `/v1/work-keys/${wholeKey["accessKeyId"]}`)).toBe(403);
    const ofTask = await adminOf({ tasks: ["shelf"] });
    expect(await ofTask.status("PUT", "/v1/retention/-", { keepMs: 3_600_000 })).toBe(403);
    expect(await ofTask.status("PUT", "/v1/retention/cart", { keepMs: 3_600_000 })).toBe(404);
    expect(await ofTask.status("POST", "/v1/webhooks", webhook)).toBe(403);
    expect(await ofTask.status("GET", "/v1/webhooks")).toBe(403);
    // What is theirs they change as ever, and what was refused is as it was.
    expect(await ofTask.status("PUT", "/v1/retention/shelf", { keepMs: 3_600_000 })).toBe(200);
    expect(await ofTask.status("PUT", "/v1/reviews/rules/shelf", rules)).toBe(200);
    expect(await ofStore.status("DELETE", `/v1/tokens/${ofStore.id}`)).toBe(200);
    expect((await callHub(hub.url, whole["token"] ?? "", "GET", "/v1/people")).status).toBe(200);
    expect((await admin("GET", "/v1/retention")).json).toMatchObject({ tasks: [{ task: "shelf" }] });
  });

  test("a page of another site can neither sign somebody in nor out, nor read", async () => {
    const person = await enterPerson(hub.url, token, "admin");
    const evil = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    for (const [method, path, body] of [
      ["POST", "/v1/session", { login: person.login, password: person.password }],
      ["DELETE", "/v1/session", undefined],
      ["GET", "/v1/people", undefined],
      ["POST", "/v1/people", { login: "evil", name: "x", roles: ["admin"] }],
    ] as const) {
      const answer = await person.browser.call(method, path, body, evil);
      expect(answer).toMatchObject({ status: 403, json: { code: "HP_FORBIDDEN" } });
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    }
    expect(await person.browser.call("GET", "/v1/session")).toMatchObject({ json: { signedIn: {} } });
  });
}
