import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type DeviceDirectory } from "../../edge-agent/service.ts";
import { HoldpointError } from "../../protocol/index.ts";
import { type Client } from "../../sdk/client/index.ts";
import { connect, type MqttTls } from "../../sdk/index.ts";
import { cart, quickPolicy } from "../support/client-fixtures.ts";
import { knownDevices, openDoor, type Door } from "../support/door-mqtt.ts";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
if (!hasOpenssl) console.warn("TLS tests are skipped: there is no openssl to make a certificate with");

interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly pem: string;
}

describe.skipIf(!hasOpenssl)("a client over mqtts://", () => {
  let folder: string;
  let own: Certificate;
  let other: Certificate;
  let elsewhere: Certificate;
  let door: Door | null = null;
  let client: Client | null = null;
  /** Names of devices that showed a secret. */
  const shown: string[] = [];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "holdpoint-tls-"));
    own = selfSigned(folder, "own", "IP:127.0.0.1");
    other = selfSigned(folder, "other", "IP:127.0.0.1");
    elsewhere = selfSigned(folder, "elsewhere", "DNS:agent.example");
  });
  afterEach(async () => {
    await client?.close();
    await door?.close();
    client = door = null;
    shown.length = 0;
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function ask(served: Certificate, tls?: MqttTls): Promise<unknown> {
    const { certFile, keyFile } = served;
    const devices: DeviceDirectory = {
      ...knownDevices,
      verify: (device, secret) => {
        shown.push(device);
        return knownDevices.verify(device, secret);
      },
    };
    const opened = (door = await openDoor({}, { devices, tls: { certFile, keyFile, port: 0 } }));
    client = connect({
      url: `mqtts://127.0.0.1:${String(opened.broker.tlsPort)}/store-1`,
      device: "camera-1",
      secret: "camera-1.secret",
      policy: { ...quickPolicy, patienceMs: 300, graceMs: 300 },
      ...(tls ? { tls } : {}),
    });
    return client.decide("cart", cart(1)).catch((error: unknown) => error);
  }

  it("is answered by an agent whose certificate it was given", async () => {
    expect(await ask(own, { ca: own.pem })).toMatchObject({ task: "cart", revision: 1, verdict: "accept" });
    expect(door?.service.submitted).toMatchObject([{ device: "camera-1", transport: "mqtt" }]);
    expect(shown).toEqual(["camera-1"]);
  });

  const strangers: readonly [what: string, served: () => Certificate, tls: () => MqttTls | undefined, why: RegExp][] = [
    ["a self-signed certificate that it was not given", () => own, () => undefined, /self-signed certificate/],
    ["another certificate than the one it was given", () => other, () => ({ ca: own.pem }), /self-signed certificate/],
    ["a certificate for another host", () => elsewhere, () => ({ ca: elsewhere.pem }), /altnames.*127\.0\.0\.1/],
  ];
  it.each(strangers)("tells neither request nor secret to %s, and says why", async (_what, served, tls, why) => {
    const error = await ask(served(), tls());
    expect(error).toBeInstanceOf(HoldpointError);
    const { code, cause } = error as HoldpointError;
    expect([code, (cause as HoldpointError).code]).toEqual(["HP_TIMEOUT", "HP_UNREACHABLE"]);
    expect((cause as HoldpointError).message).toMatch(why);
    expect([shown, door?.service.submitted]).toEqual([[], []]);
    expect(client?.status().outstanding).toBe(1);
  });
});

function selfSigned(folder: string, name: string, host: string): Certificate {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", `/CN=${name}`, "-addext", `subjectAltName=${host}`, "-keyout", keyFile, "-out", certFile],
    ],
    { stdio: "ignore" },
  );
  return { certFile, keyFile, pem: readFileSync(certFile, "utf8") };
}
