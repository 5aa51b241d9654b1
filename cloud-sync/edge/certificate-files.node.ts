import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { certificatesMax, HoldpointError, type ConfigBundle } from "../../protocol/index.ts";
import { signatureVerifier } from "../../protocol/platform/signing.node.ts";
import { trustedCertificates, type TrustedCertificates } from "./certificates.ts";
import { writeDurable } from "./durable-file.node.ts";

/**
 * The hub's certificates on the box: `certificates.json` beside the hub's layers, in the folder of their version. Each is
 * checked anew whenever they are read, at every start and at every pull.
 */
const keptSchema = z.object({
  v: z.literal(1),
  region: z.string().nullable(),
  /** When the bundle was made, by the hub's clock: with a certificate's own date it tells how old that was then. */
  issuedAtMs: z.number(),
  certificates: z.array(z.unknown()).max(certificatesMax),
});

export interface KeptCertificates extends TrustedCertificates {
  readonly issuedAtMs: number;
}

/** The hub's certificates that are in force, in the agent's directory for its hub. */
export function hubCertificatesFile(dir: string): string {
  return join(dir, "config", fileName);
}

const fileName = "certificates.json";

export async function keepCertificates(
  folder: string,
  { certificates, region, issuedAtMs }: ConfigBundle,
): Promise<void> {
  const kept: z.input<typeof keptSchema> = { v: 1, region: region ?? null, issuedAtMs, certificates };
  await writeDurable(join(folder, fileName), JSON.stringify(kept));
}

/** In a version's folder; none where there is no file. Never throws: a file that cannot be read is a fault of all tasks. */
export async function readCertificates(dir: string, file: string): Promise<KeptCertificates> {
  const none = { certificates: [], faults: [], issuedAtMs: 0 };
  try {
    const text = await readFile(file, "utf8");
    const kept = keptSchema.parse(JSON.parse(text));
    const { hub, store } = hubSchema.parse(JSON.parse(await readFile(join(dir, "hub.json"), "utf8")));
    const verify = signatureVerifier(hub.publicKey) ?? (() => false);
    const trusted = trustedCertificates(kept.certificates, { hub: hub.id, store, region: kept.region, verify });
    return { ...trusted, issuedAtMs: kept.issuedAtMs };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return none;
    const { message } = HoldpointError.from(cause, "HP_GATE_CERTIFICATE");
    return { ...none, faults: [{ task: null, message: `${file} cannot be read: ${message.slice(0, 200)}` }] };
  }
}

export function certificatesIn(folder: string): string {
  return join(folder, fileName);
}

/** The part of the enrolment that certificates are held against. */
const hubSchema = z.object({ store: z.string(), hub: z.object({ id: z.string(), publicKey: z.string() }) });
