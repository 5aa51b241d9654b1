import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { brokerLimits } from "../../edge-agent/broker/broker-limits.ts";
import { httpLimits } from "../../edge-agent/http/http-limits.ts";
import { openDoor, type Door } from "../support/door-mqtt.ts";

const doc = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
const python = "/usr/bin/python3";
const hasPaho = ((): boolean => {
  try {
    execFileSync(python, ["-c", "import paho.mqtt.client"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe("the documentation of the doors", () => {
  test.each([
    ["protocol.md", brokerLimits],
    ["http.md", httpLimits],
  ])("%s states every limit with its value", (name, limits) => {
    const rows = [...(doc(name).split("## Limits")[1] ?? "").matchAll(/^\| `(\w+)` +\| ([\d,]+) +\|/gm)];
    const stated = Object.fromEntries(rows.map(([, key = "", value = ""]) => [key, Number(value.replaceAll(",", ""))]));
    expect(stated).toEqual(limits);
  });

  let door: Door | null = null;
  afterEach(() => door?.close());

  const device = (port: number, secret: string): Promise<{ code: unknown; stdout: string; stderr: string }> => {
    const text = /```python\n([\s\S]*?)```/.exec(doc("protocol.md"))?.[1] ?? "";
    const env = { STORE: "store-1", DEVICE: "camera-1", SECRET: secret, PORT: String(port) };
    return new Promise((resolve) => {
      execFile(python, ["-c", text], { env, timeout: 20_000 }, (error, stdout, stderr) =>
        resolve({ code: error ? error.code : 0, stdout, stderr }),
      );
    });
  };

  // Skipped where Debian's python3-paho-mqtt is not installed.
  test.skipIf(!hasPaho)("the Python device of protocol.md says that its secret is wrong, and fails", async () => {
    door = await openDoor();
    const { code, stdout, stderr } = await device(door.broker.port, "camera-1.wrong");
    expect(stdout).toMatch(/^refused: .*bad user name or password/);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "1 not final yet\n" });
  });

  test.skipIf(!hasPaho)("the Python device of protocol.md gets its decision, and the agent its PUBACK", async () => {
    door = await openDoor();
    const { code, stdout, stderr } = await device(door.broker.port, "camera-1.secret");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe('decision product_identification final {"label": "Oat-Milk"}\n');
    // The script may end before its last PUBACK has been read here.
    const { service } = door;
    await expect.poll(() => service.rows).toEqual([]);
  });
});
