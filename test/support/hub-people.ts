import { callHub, type TestAnswer } from "./hub-agent.ts";

/** A browser at the hub's page: it keeps cookies and says where its calls come from. */
export interface TestBrowser {
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<BrowserAnswer>;
  readonly cookies: Map<string, string>;
}

export interface BrowserAnswer extends TestAnswer {
  readonly headers: Headers;
}

export function openBrowser(hubUrl: string, origin = hubUrl): TestBrowser {
  const cookies = new Map<string, string>();
  return {
    cookies,
    call: async (method, path, body, headers = {}) => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const answer = await fetch(new URL(path, hubUrl), {
        method,
        redirect: "manual",
        headers: {
          "sec-fetch-site": "same-origin",
          ...(method === "GET" ? {} : { origin }),
          ...(cookie === "" ? {} : { cookie }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      for (const line of answer.headers.getSetCookie()) {
        const [pair = ""] = line.split(";");
        const [name = "", value = ""] = pair.split("=");
        if (value === "") cookies.delete(name);
        else cookies.set(name, value);
      }
      const text = await answer.text();
      const isJson = /json/.test(answer.headers.get("content-type") ?? "");
      const json = isJson && text !== "" ? (JSON.parse(text) as Record<string, unknown>) : {};
      return { status: answer.status, json, headers: answer.headers };
    },
  };
}

export interface TestPerson {
  readonly id: string;
  readonly login: string;
  readonly password: string;
  /** Body of a sign-in. */
  readonly secret: { readonly login: string; readonly password: string };
  /** Signed in. */
  readonly browser: TestBrowser;
}

let made = 0;

/** Adds an account with that role, takes its invitation up in a browser of its own, and stays signed in there. */
export async function enterPerson(
  hubUrl: string,
  adminToken: string,
  role: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<TestPerson> {
  made += 1;
  const login = `${role}-${made}`;
  const password = `violet harbour ${made} kettle`;
  const account = { login, name: `A ${role}`, roles: [role], ...more };
  const added = await callHub(hubUrl, adminToken, "POST", "/v1/people", account);
  const { person, invitation } = added.json as { person: { id: string }; invitation: { token: string } };
  const browser = openBrowser(hubUrl);
  const taken = await browser.call("POST", "/v1/invitation", { token: invitation.token, password });
  if (taken.status !== 200) throw new Error(JSON.stringify(taken.json));
  return { id: person.id, login, password, secret: { login, password }, browser };
}
