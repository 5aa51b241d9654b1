import { join } from "node:path";
import { startHub, type RunningHub } from "../../../cloud-sync/hub/hub.node.ts";
import { HoldpointError, type Logger } from "../../../protocol/index.ts";
import { systemRandom } from "../../../protocol/platform/clock.node.ts";

/** The hub of the demo: SQLite in a directory of the demo (`hub/` there is the agent's own), one account that can sign in at once, a token for the agent. */
export interface DemoHub {
  readonly url: string;
  readonly login: string;
  readonly password: string;
  /** Good once, for the agent of the demo. */
  readonly enrolToken: string;
  close(): Promise<void>;
}

export interface DemoHubOptions {
  /** The demo's directory. */
  readonly data: string;
  readonly store: string;
  readonly agent: string;
  /** 8790 or, if that is taken, a free one unless told. */
  readonly port: number | undefined;
  readonly logger: Logger;
}

const usualPort = 8790;

/** Errors: HP_PORT (the port that was asked for is taken), and what `startHub` throws. */
export async function startDemoHub(options: DemoHubOptions): Promise<DemoHub> {
  const first = { token: "", invitationPath: "" };
  const start = (port: number): Promise<RunningHub> =>
    startHub({
      ...{ dataDir: join(options.data, "central"), host: "127.0.0.1", port, logger: options.logger },
      onAdminToken: (token, invitationPath) => Object.assign(first, { token, invitationPath }),
    });
  const hub = await start(options.port ?? usualPort).catch((cause: unknown) => {
    const isTaken = cause instanceof HoldpointError && cause.code === "HP_PORT" && options.port === undefined;
    if (!isTaken) throw cause;
    return start(0);
  });
  try {
    const password = newPassword();
    // The token is behind the `#` of the page's address.
    const invitation = new URL(first.invitationPath, hub.url).hash.slice(1);
    await ask(hub, "/v1/invitation", { token: invitation, password });
    const { store, agent } = options;
    const made = await ask(hub, "/v1/fleet/tokens", { store, agent }, first.token);
    const enrolToken = String(made["token"]);
    return { url: hub.url, login: "admin", password, enrolToken, close: () => hub.close() };
  } catch (cause) {
    await hub.close();
    throw cause;
  }
}

/** Through the hub's own door, as a page and a program would. */
async function ask(hub: RunningHub, path: string, body: unknown, token?: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${hub.url}${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? { origin: hub.url } : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  const reply = (await answer.json()) as Record<string, unknown>;
  if (answer.ok) return reply;
  const { code, detail } = reply as { code?: string; detail?: string };
  throw new Error(`the demo's hub answered ${path} with ${answer.status} ${code ?? ""} ${detail ?? ""}`);
}

/** Easy to type, and hard to guess: 16 of 31 characters that are not mistaken for each other. */
function newPassword(): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  const text = [...systemRandom.bytes(16)].map((byte) => letters[byte % letters.length] ?? "").join("");
  return text.replaceAll(/(.{4})(?=.)/g, "$1-");
}
