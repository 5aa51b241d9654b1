import { access, constants, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { Command } from "commander";
import { isNodeSupported, nodeWanted } from "./node-version.node.ts";
import { dataOption, port } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly hint: string | null;
}

interface DoctorFlags {
  readonly data: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly reviewPort: number;
  readonly json?: boolean;
}

/** Free disk below which an agent should not be started: its journal's reserve and write-ahead log need room. */
const diskBytesMin = 512 * 1024 * 1024;

/** `holdpoint doctor`: whether this machine can run an agent, and what to do where it cannot. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Check this machine: Node, native packages, ports, disk, clock.")
    .addOption(dataOption())
    .option("--mqtt-port <port>", "MQTT port", port, 1883)
    .option("--http-port <port>", "HTTP port", port, 8787)
    .option("--review-port <port>", "port of the review page", port, 8788)
    .option("--json", "findings for machines")
    .action(async (flags: DoctorFlags) => {
      const findings = await examine(flags);
      if (flags.json) printJson(findings);
      else
        for (const { ok, check, detail, hint } of findings) {
          printLine(`${ok ? "ok  " : "FAIL"} ${check}: ${detail}${ok || hint === null ? "" : ` (${hint})`}`);
        }
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
    });
}

async function examine(flags: DoctorFlags): Promise<readonly Finding[]> {
  const packages = ["better-sqlite3", "aedes", "onnxruntime-node", "sharp"];
  return [
    nodeVersion(),
    ...(await Promise.all(packages.map(nativePackage))),
    await freePort("MQTT port", flags.mqttPort),
    await freePort("HTTP port", flags.httpPort),
    await freePort("review port", flags.reviewPort),
    await disk(flags.data),
    clock(),
  ];
}

function nodeVersion(): Finding {
  const version = process.versions.node;
  return { check: "Node", ok: isNodeSupported(version), detail: version, hint: `${nodeWanted}.` };
}

async function nativePackage(name: string): Promise<Finding> {
  const hint = `npm install ${name}`;
  try {
    await import(name);
    return { check: name, ok: true, detail: "loads", hint };
  } catch (cause) {
    return { check: name, ok: false, detail: cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "", hint };
  }
}

function freePort(check: string, number: number): Promise<Finding> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const hint = "An agent that runs already uses it; else stop what does, or choose another port.";
      resolve({ check, ok: false, detail: `${number} ${cause.code ?? cause.message}`, hint });
    });
    server.listen(number, "127.0.0.1", () => {
      server.close(() => resolve({ check, ok: true, detail: `${number} is free`, hint: null }));
    });
  });
}

async function disk(dir: string): Promise<Finding> {
  const existing = await access(dir, constants.W_OK).then(
    () => dir,
    () => ".",
  );
  const { bavail, bsize } = await statfs(existing);
  const bytes = bavail * bsize;
  const detail = `${(bytes / 1024 ** 3).toFixed(1)} GiB free`;
  return { check: "disk", ok: bytes >= diskBytesMin, detail, hint: "Free at least 512 MiB for the journal." };
}

/** A box whose clock battery is dead comes up in 1970 or at its image's date; records would carry that. */
function clock(): Finding {
  const now = new Date();
  const hint = "Set the clock (NTP). Decisions do not depend on it, but records carry it.";
  return { check: "clock", ok: now.getUTCFullYear() >= 2026, detail: now.toISOString(), hint };
}
