import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HoldpointError } from "../../protocol/index.ts";
import { type PairingSheet } from "./pairing.node.ts";

/**
 * What a person scans and types now, in the agent's data directory and readable by its owner only: a PIN ends when it
 * was used and after ten minutes, and `holdpoint review pin` shows the one that holds to whoever may read the directory.
 */
const fileName = "review-pairing.json";

export function writePairingFile(dataDir: string, { url, pin, qrText }: PairingSheet): void {
  const temporary = join(dataDir, `.${fileName}`);
  try {
    writeFileSync(temporary, JSON.stringify({ url, pin, qrText }), { mode: 0o600 });
    renameSync(temporary, join(dataDir, fileName));
  } catch {
    // A full disk: the page goes on, and the next PIN is written again.
  }
}

/** Of an agent that ends, or that serves no page: its PIN would be typed in vain. */
export function removePairingFile(dataDir: string): void {
  rmSync(join(dataDir, fileName), { force: true });
}

/** Errors: HP_NOT_FOUND where no agent has served a review page from this directory. */
export function readPairingFile(dataDir: string): Pick<PairingSheet, "url" | "pin" | "qrText"> {
  try {
    return JSON.parse(readFileSync(join(dataDir, fileName), "utf8")) as PairingSheet;
  } catch (cause) {
    const hint = "Start `holdpoint agent` with this data directory and without --no-review.";
    throw new HoldpointError("HP_NOT_FOUND", `no agent serves a review page from ${dataDir}`, { hint, cause });
  }
}
