import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Page } from "playwright-core";
import { build } from "vite";
import { startHub, type HubOptions, type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { type Role } from "../../cloud-sync/hub/api/caller.ts";
import { silentLogger } from "../../protocol/index.ts";
import { callHub } from "../support/hub-agent.ts";

const pagesDir = join(process.cwd(), "temp", `hub-page-${process.pid}`);

/** Builds the hub's pages from their sources for this process alone. Returns the clean-up. */
export async function buildHubPages(): Promise<() => void> {
  await build({ configFile: "vite.config.ts", mode: "hub", logLevel: "error", build: { outDir: pagesDir } });
  return () => rmSync(pagesDir, { recursive: true, force: true });
}

export interface HubRoomForTests {
  readonly hub: RunningHub;
  /** An API token with every permission. */
  readonly token: string;
  /** Path of the page on which the account `admin` gets its password. */
  readonly invitationPath: string;
  close(): Promise<void>;
}

/** A hub with its pages on a free port, its data in a directory that goes with it. */
export async function openHub(options: Partial<HubOptions> = {}): Promise<HubRoomForTests> {
  const dataDir = mkdtempSync(join(tmpdir(), "holdpoint-hub-page-"));
  let first = { token: "", invitationPath: "" };
  const hub = await startHub({
    ...{ dataDir, host: "127.0.0.1", port: 0, pagesDir, logger: silentLogger },
    // What makes a password dear to guess makes a test slow.
    passwordCost: { n: 2 ** 10, r: 8, p: 1 },
    onAdminToken: (token, invitationPath) => (first = { token, invitationPath: invitationPath ?? "" }),
    ...options,
  });
  const close = async (): Promise<void> => {
    await hub.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { hub, ...first, close };
}

export interface NewReader {
  readonly login: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly stores?: readonly string[];
  readonly skills?: readonly string[];
}

export const password = "seven green cartons on a shelf";

/** An account that can sign in with `password`. */
export async function addPerson({ hub, token }: HubRoomForTests, person: NewReader): Promise<string> {
  const made = await callHub(hub.url, token, "POST", "/v1/people", person);
  if (made.status !== 200) throw new Error(`no account: ${JSON.stringify(made.json)}`);
  const { invitation, person: account } = made.json as { invitation: { token: string }; person: { id: string } };
  const taken = await fetch(`${hub.url}/v1/invitation`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: hub.url },
    body: JSON.stringify({ token: invitation.token, password }),
  });
  if (!taken.ok) throw new Error(`the invitation was refused: ${await taken.text()}`);
  return account.id;
}

/** Signs in at the page with the keyboard. */
export async function signIn(page: Page, { hub }: HubRoomForTests, login: string, path = "/"): Promise<void> {
  await page.goto(`${hub.url}${path}`);
  // Keys that come before the field has the focus go nowhere.
  await page.getByLabel("Login").and(page.locator(":focus")).waitFor();
  await page.keyboard.type(login);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.locator(".rail").waitFor();
}
