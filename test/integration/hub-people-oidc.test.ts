import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { freePort } from "../support/free-port.ts";
import { callHub } from "../support/hub-agent.ts";
import { openBrowser, type TestBrowser } from "../support/hub-people.ts";
import { overBothDatabases, type StartHub } from "../support/hub-start.ts";
import { client, startProvider, type TestProvider } from "../support/oidc-provider.ts";

overBothDatabases("signing in with a provider", signingIn);

function signingIn(start: StartHub): void {
  let provider: TestProvider;
  let hub: RunningHub;
  let token: string;
  beforeAll(async () => {
    provider = await startProvider();
    const port = await freePort();
    const rule = { domain: "chain.example", roles: ["reviewer" as const] };
    ({ hub, token } = await start({
      ...{ port, publicUrl: `http://127.0.0.1:${port}` },
      oidc: { issuer: provider.issuer, ...client, name: "Chain", rule },
    }));
  });
  afterAll(async () => {
    await hub.close();
    await provider.close();
  });

  /** Follows the way there and back; returns where the hub leads in the end. */
  async function goThere(browser: TestBrowser, change: (back: URL) => void = () => undefined) {
    const begun = await browser.call("GET", "/v1/oidc/start");
    const there = await fetch(begun.headers.get("location") ?? "", { redirect: "manual" });
    const back = new URL(there.headers.get("location") ?? "");
    change(back);
    return { back, end: await arrive(browser, back) };
  }
  /** Comes by a redirect of another site; Node's fetch cannot say so of itself, the guard's own test does. */
  const arrive = async (browser: TestBrowser, back: URL) => {
    const answer = await browser.call("GET", `${back.pathname}${back.search}`);
    return [answer.status, answer.headers.get("location")];
  };
  const who = (sub: string, more: Readonly<Record<string, unknown>> = {}) => {
    provider.who = { sub, email: `${sub}@chain.example`, email_verified: true, name: `Name of ${sub}`, ...more };
  };
  const signedIn = async (browser: TestBrowser) => (await browser.call("GET", "/v1/session")).json["signedIn"];

  test("a verified address of the domain gets an account, and the same one the next time", async () => {
    who("grace");
    const browser = openBrowser(hub.url);
    expect(await browser.call("GET", "/v1/session")).toMatchObject({ json: { methods: { oidc: "Chain" } } });
    expect((await goThere(browser)).end).toEqual([303, "/"]);
    const first = await signedIn(browser);
    expect(first).toMatchObject({ person: { login: "grace@chain.example", roles: ["reviewer"], hasPassword: false } });
    const other = openBrowser(hub.url);
    await goThere(other);
    expect(await signedIn(other)).toMatchObject({ person: { id: (first as { person: { id: string } }).person.id } });
  });

  test("everybody else waits for an admin, who decides whose account it is", async () => {
    for (const [sub, more] of [
      ["not-verified", { email_verified: false }],
      ["elsewhere", { email: "x@elsewhere.example" }],
      ["looks-alike", { email: "x@chain.example.evil.example" }],
      ["without", { email: undefined }],
    ] as const) {
      who(sub, more);
      const browser = openBrowser(hub.url);
      expect((await goThere(browser)).end).toEqual([303, "/?sign-in=HP_FORBIDDEN"]);
      expect(await signedIn(browser)).toBeNull();
    }
    const added = await callHub(hub.url, token, "POST", "/v1/people", { login: "kay", name: "Kay", roles: ["lead"] });
    const { id: personId } = (added.json as { person: { id: string } }).person;
    const linked = { issuer: provider.issuer, subject: "elsewhere", personId };
    expect(await callHub(hub.url, token, "POST", "/v1/identities", linked)).toMatchObject({ status: 200 });
    const waiting = await callHub(hub.url, token, "GET", "/v1/identities");
    expect(waiting.json["items"]).toContainEqual(expect.objectContaining({ subject: "looks-alike", personId: null }));
    who("elsewhere");
    const browser = openBrowser(hub.url);
    expect((await goThere(browser)).end).toEqual([303, "/"]);
    expect(await signedIn(browser)).toMatchObject({ person: { login: "kay", roles: ["lead"] } });
    await callHub(hub.url, token, "POST", "/v1/identities", { ...linked, personId: null });
    expect(await signedIn(browser)).toBeNull();
  });

  test("an account that exists is not taken over because the address is the same", async () => {
    await callHub(hub.url, token, "POST", "/v1/people", { login: "boss@chain.example", name: "B", roles: ["admin"] });
    who("boss");
    const browser = openBrowser(hub.url);
    expect((await goThere(browser)).end).toEqual([303, "/?sign-in=HP_FORBIDDEN"]);
  });

  test("a disabled account is not let in", async () => {
    who("gone");
    const browser = openBrowser(hub.url);
    await goThere(browser);
    const { person } = (await signedIn(browser)) as { person: { id: string } };
    await callHub(hub.url, token, "POST", `/v1/people/${person.id}`, { disabled: true });
    expect((await goThere(browser)).end).toEqual([303, "/?sign-in=HP_UNAUTHORIZED"]);
    expect(await signedIn(browser)).toBeNull();
  });

  test("an answer is good once, and in the browser alone that began", async () => {
    who("grace");
    const [victim, attacker] = [openBrowser(hub.url), openBrowser(hub.url)];
    const begun = await attacker.call("GET", "/v1/oidc/start");
    const there = await fetch(begun.headers.get("location") ?? "", { redirect: "manual" });
    const back = new URL(there.headers.get("location") ?? "");
    const refused = [303, "/?sign-in=HP_UNAUTHORIZED"];
    expect(await arrive(victim, back)).toEqual(refused);
    expect(await signedIn(victim)).toBeNull();
    expect(await arrive(attacker, back)).toEqual([303, "/"]);
    expect(await arrive(attacker, back)).toEqual(refused);
    for (const name of ["state", "code", "iss"]) {
      const { end } = await goThere(victim, (url) => url.searchParams.set(name, "https://other.example"));
      expect(end, name).toEqual(refused);
    }
    expect(await signedIn(victim)).toBeNull();
  });

  test.for([
    ["signed with another key", { foreignKey: true }],
    ["of another sign-in", { claims: { nonce: "other" } }],
    ["for another program", { claims: { aud: "other" } }],
    ["of another issuer", { claims: { iss: "https://other.example" } }],
    ["that is too old", { claims: { exp: 1_000_000_000 } }],
  ] as const)("a token %s is refused", async ([, spoil]) => {
    who("grace");
    provider.spoil = spoil;
    try {
      const browser = openBrowser(hub.url);
      expect((await goThere(browser)).end).toEqual([303, "/?sign-in=HP_UNAUTHORIZED"]);
      expect(await signedIn(browser)).toBeNull();
    } finally {
      provider.spoil = null;
    }
  });
}
