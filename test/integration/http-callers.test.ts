import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import {
  addDevice,
  openDeviceDirectory,
  removeDevice,
  type OpenDirectory,
} from "../../edge-agent/devices/directory.node.ts";
import { openHttp, type HttpDoorUnderTest } from "../support/door-http.ts";

/** One connection for all requests, as a device or a proxy keeps it. */
let connection: Agent;
let dir: string;
let devices: OpenDirectory;
let door: HttpDoorUnderTest;
/** How often a secret was checked against its hash. */
let checks: number;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "holdpoint-callers-"));
  connection = new Agent({ keepAlive: true, maxSockets: 1 });
  devices = await openDeviceDirectory({ dir, clock: systemClock, timers: systemTimers, logger: silentLogger });
  checks = 0;
  const counting = {
    has: (device: string) => devices.has(device),
    secretVersion: (device: string) => devices.secretVersion(device),
    verify: (device: string, secret: string) => ((checks += 1), devices.verify(device, secret)),
  };
  door = await openHttp({ devices: counting, localDevice: "till-1" });
});
afterEach(async () => {
  connection.destroy();
  await door.close();
  devices.close();
  rmSync(dir, { recursive: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  /** Whether it came over the connection of an earlier request. */
  readonly again: boolean;
}

function get(path: string, secret: string | null): Promise<Answer> {
  const headers = secret === null ? {} : { authorization: `Bearer ${secret}` };
  return new Promise((resolve, reject) => {
    const asked = request({ port: door.port, path, headers, agent: connection }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.once("end", () => resolve({ status: response.statusCode, body, again: asked.reusedSocket }));
    });
    asked.once("error", reject).end();
  });
}

async function added(name: string): Promise<string> {
  const secret = await addDevice(dir, name, 1);
  await devices.refresh();
  return secret;
}

describe("who calls, over a connection that stays open", () => {
  test("a secret is checked once for each connection", async () => {
    const secret = await added("till-1");
    for (let n = 0; n < 5; n += 1)
      expect(await get("/v1/decisions", secret)).toMatchObject({ status: 200, again: n > 0 });
    expect(checks).toBe(1);
  });

  test("a device that is removed is refused with its next request, and so is its old secret when it is added again", async () => {
    const secret = await added("till-1");
    expect(await get("/v1/decisions", secret)).toMatchObject({ status: 200 });
    await removeDevice(dir, "till-1");
    await devices.refresh();
    expect(await get("/v1/decisions", secret)).toMatchObject({ status: 401, again: true });
    const other = await added("till-1");
    expect(await get("/v1/decisions", secret)).toMatchObject({ status: 401, again: true });
    expect(await get("/v1/decisions", other)).toMatchObject({ status: 200, again: true });
  });

  test("another secret, no secret and a wrong one are not taken for the one before", async () => {
    const [till, camera] = [await added("till-1"), await added("camera-1")];
    await Promise.resolve(door.service.submit(messageOf("camera-1")));
    const mine = async (secret: string | null): Promise<Answer> => get(`/v1/decisions/${id}`, secret);
    expect(await mine(camera)).toMatchObject({ status: 202 });
    expect(await mine(till)).toMatchObject({ status: 404, again: true });
    expect(await mine(camera)).toMatchObject({ status: 202, again: true });
    expect(await mine(`${camera}x`)).toMatchObject({ status: 401, again: true });
    expect(await mine(null)).toMatchObject({ status: 401, again: true });
    // Without a secret it is the local device at an imitating endpoint, whoever called before.
    expect(await get(`/decision/${id}`, camera)).toMatchObject({ status: 200, again: true });
    expect(await get(`/decision/${id}`, null)).toMatchObject({ status: 404, again: true });
  });
});

const id = "01930000-0000-7000-8000-000000000001";

function messageOf(device: string): { device: string; bytes: Uint8Array; transport: "http" } {
  door.service.decides = false;
  const request = { v: 1, id, task: "product_identification", at: 1, input: { kind: "features", values: { a: 1 } } };
  return { device, bytes: new TextEncoder().encode(JSON.stringify(request)), transport: "http" };
}
