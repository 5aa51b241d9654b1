import { readFile } from "node:fs/promises";
import { checkedCertificates, type TrustedCertificates } from "../cloud-sync/edge/certificates.ts";
import { hubCertificatesFile, readCertificates } from "../cloud-sync/edge/certificate-files.node.ts";
import { type GatePolicy } from "../config/index.ts";
import { type CertificateSource } from "../config/watcher.node.ts";
import { type Certificate, type Clock } from "../protocol/index.ts";
import { LapsedLists, type CertificateUsage, type CertificateUse } from "../sdk/index.ts";
import { type CertificateLedger } from "./certificate-ledger.node.ts";
import { type ProblemBoard } from "./problem-board.ts";

export interface GateCertificatesParts {
  /** The agent's directory for its hub; null where there is none. */
  readonly hubDir: string | null;
  /** A file of the operator's own, as `holdpoint gate certify --write` wrote it: taken without a signature. */
  readonly file: string | null;
  readonly ledger: CertificateLedger;
  readonly problems: ProblemBoard;
  readonly clock: Clock;
}

/** The certificates of an agent: read with its config, checked each time, and counted as they are used. */
export class GateCertificates implements CertificateSource, CertificateUse {
  readonly paths: readonly string[];
  readonly #parts: GateCertificatesParts;
  readonly #lists: LapsedLists;

  constructor(parts: GateCertificatesParts) {
    const { hubDir, file, ledger, clock } = parts;
    this.#parts = parts;
    this.paths = [...(hubDir === null ? [] : [hubCertificatesFile(hubDir)]), ...(file === null ? [] : [file])];
    this.#lists = new LapsedLists(clock, (certificate) => ledger.usage(certificate));
    ledger.onChange = () => this.#lists.changed();
  }

  /** The agent's directory is its own from here on: use is counted. */
  open(): Promise<void> {
    return this.#counted(() => this.#parts.ledger.open());
  }

  async read(): Promise<readonly Certificate[]> {
    const { hubDir, problems } = this.#parts;
    const hubs = hubDir === null ? nothing : await readCertificates(hubDir, hubCertificatesFile(hubDir));
    const own = await this.#readOwn();
    const faults = [...hubs.faults, ...own.faults];
    if (faults.length === 0) problems.clear("certificates");
    else problems.raise("certificates", { code: "HP_GATE_CERTIFICATE", message: messageOf(faults) });
    // What is wrong with one source is no way around the other.
    const barred = new Set(faults.map(({ task }) => task));
    const all = [...hubs.certificates, ...own.certificates].filter(({ task }) => !barred.has(task));
    const good = barred.has(null) ? [] : all;
    await this.#counted(() => this.#parts.ledger.use(good));
    return good;
  }

  /** Of a bundle that is looked at before it comes into force: new ones are entered, so that their use is counted. */
  async take(file: string): Promise<readonly Certificate[]> {
    const { hubDir, ledger } = this.#parts;
    if (hubDir === null) return [];
    const { certificates, issuedAtMs } = await readCertificates(hubDir, file);
    // Both dates are the hub's: how old the evidence was when this agent got it.
    await ledger.register(certificates, (certificate) => issuedAtMs - certificate.issuedAtMs);
    return certificates;
  }

  lapsed(gate: GatePolicy): readonly string[] {
    return this.#lists.of(gate);
  }

  accepted(certificate: Certificate): void {
    if (this.#parts.ledger.accepted(certificate)) this.#lists.changed();
  }

  usage(certificate: Certificate): CertificateUsage | null {
    return this.#parts.ledger.usage(certificate);
  }

  async #readOwn(): Promise<TrustedCertificates> {
    const { file, ledger, clock } = this.#parts;
    if (file === null) return nothing;
    let given: unknown;
    try {
      given = JSON.parse(await readFile(file, "utf8"));
    } catch (cause) {
      const message = `${file} cannot be read: ${String(cause).slice(0, 200)}`;
      return { certificates: [], faults: [{ task: null, message }] };
    }
    const checked = checkedCertificates(Array.isArray(given) ? given : [given], () => null);
    // Nobody else enters these: whoever may write the file may write a number as well.
    const ageOf = ({ issuedAtMs }: Certificate): number => clock.wallMs() - issuedAtMs;
    await this.#counted(() => ledger.register(checked.certificates, ageOf));
    return checked;
  }

  /** A disk that takes no count makes certificates lapse and nothing else. */
  async #counted(write: () => Promise<void>): Promise<void> {
    const { problems } = this.#parts;
    try {
      await write();
      problems.clear("certificate count");
    } catch (cause) {
      const message = `what certificates are used for cannot be written down: ${String(cause).slice(0, 200)}`;
      problems.raise("certificate count", { code: "HP_GATE_CERTIFICATE", message });
    }
  }
}

const nothing: TrustedCertificates = { certificates: [], faults: [] };
const shownMax = 3;

function messageOf(faults: TrustedCertificates["faults"]): string {
  const shown = faults.slice(0, shownMax).map(({ message }) => message.slice(0, 300));
  const more = faults.length > shownMax ? `, and ${faults.length - shownMax} more` : "";
  return `${shown.join("; ")}${more}; people decide what these were for`;
}
