import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HoldpointError, namePattern } from "../../protocol/index.ts";

/** `<data>/devices.json`: the devices of one agent and the hashes of their secrets. Readable by its owner only. */

const deviceRecordSchema = z.strictObject({
  name: z.string().regex(namePattern),
  /** scrypt of the secret, with its parameters, so that they can grow. */
  scrypt: z.strictObject({
    n: z
      .number()
      .int()
      .min(2)
      .max(1 << 20),
    r: z.number().int().min(1).max(32),
    p: z.number().int().min(1).max(16),
    salt: z.string(),
    hash: z.string(),
  }),
  createdAt: z.number().int(),
  disabled: z.boolean(),
});
export type DeviceRecord = z.infer<typeof deviceRecordSchema>;

const deviceFileSchema = z.strictObject({ v: z.literal(1), devices: z.array(deviceRecordSchema) });

export function deviceFilePath(dir: string): string {
  return join(dir, "devices.json");
}

/** The devices of a data directory; none where there is no file. Errors: HP_CONFIG for a file that does not parse. */
export async function readDevices(dir: string): Promise<readonly DeviceRecord[]> {
  const path = deviceFilePath(dir);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return [];
    throw new HoldpointError("HP_CONFIG", `cannot read ${path}`, { hint: "Make it readable for the agent.", cause });
  }
  try {
    return deviceFileSchema.parse(JSON.parse(text)).devices;
  } catch (cause) {
    const hint = "Restore the file, or delete it and add the devices again.";
    throw new HoldpointError("HP_CONFIG", `${path} is not a list of devices`, { hint, cause });
  }
}

/** Changes the file under a lock, so that two commands at once lose nothing. A crash leaves the old file or the new. */
export async function changeDevices<T>(
  dir: string,
  change: (devices: readonly DeviceRecord[]) => { devices: readonly DeviceRecord[]; result: T },
): Promise<T> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = deviceFilePath(dir);
  const unlock = await lock(`${path}.lock`);
  try {
    const { devices, result } = change(await readDevices(dir));
    await writeDurably(dir, path, `${JSON.stringify({ v: 1, devices }, null, 1)}\n`);
    return result;
  } finally {
    await unlock();
  }
}

async function writeDurably(dir: string, path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.new`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (cause) {
    // A full disk: the draft would lie there for ever.
    await rm(draft, { force: true });
    throw cause;
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const lockWaitMs = 5_000;
const lockStaleMs = 10_000;

async function lock(path: string): Promise<() => Promise<void>> {
  const until = performance.now() + lockWaitMs;
  for (;;) {
    try {
      await (await open(path, "wx", 0o600)).close();
      return () => rm(path, { force: true });
    } catch (cause) {
      if (!isCode(cause, "EEXIST")) throw cause;
      const age = await stat(path).then(
        ({ mtimeMs }) => Date.now() - mtimeMs,
        () => 0,
      );
      // Whoever held it died between two lines.
      if (age > lockStaleMs) await rm(path, { force: true });
      if (performance.now() > until) {
        throw new HoldpointError("HP_BUSY", `${path} is held by another command`, { hint: "Try again.", cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function isCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && "code" in cause && cause.code === code;
}
