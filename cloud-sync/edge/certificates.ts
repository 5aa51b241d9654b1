import {
  certificateBytes,
  certificateSchema,
  checkMessage,
  fromBase64,
  type Certificate,
} from "../../protocol/index.ts";

/** By whose word, and for whom, certificates are taken. */
export interface CertificateTrust {
  /** Id of the enrolled hub. */
  readonly hub: string;
  readonly store: string;
  /** Region of the store, as the hub's bundle said; null: none. */
  readonly region: string | null;
  /** Ed25519 with the hub's key from enrolment. */
  readonly verify: (bytes: Uint8Array, signature: Uint8Array) => boolean;
}

interface CertificateFault {
  /** Of which task; null where that cannot be read. */
  readonly task: string | null;
  readonly message: string;
}

export interface TrustedCertificates {
  readonly certificates: readonly Certificate[];
  readonly faults: readonly CertificateFault[];
}

/**
 * Those that this hub signed for this store, its region or the fleet. A bad one takes all certificates of its task along
 * (of every task, where it does not say which): with the narrowest gone, a wider one could ask for less than it did.
 */
export function trustedCertificates(given: readonly unknown[], trust: CertificateTrust): TrustedCertificates {
  return checkedCertificates(given, (certificate) => distrust(certificate, trust));
}

/** Each by its schema and by `refusal`, which says in words what is wrong with one, or null. */
export function checkedCertificates(
  given: readonly unknown[],
  refusal: (certificate: Certificate) => string | null,
): TrustedCertificates {
  const good: Certificate[] = [];
  const faults: CertificateFault[] = [];
  for (const one of given) {
    const checked = checkMessage(one, certificateSchema);
    const why = checked.ok ? refusal(checked.value) : checked.error.message;
    if (checked.ok && why === null) good.push(checked.value);
    else faults.push({ task: taskOf(one), message: `${nameOf(one)} ${why ?? ""}` });
  }
  const barred = new Set(faults.map(({ task }) => task));
  return { certificates: barred.has(null) ? [] : good.filter(({ task }) => !barred.has(task)), faults };
}

function distrust(certificate: Certificate, { hub, store, region, verify }: CertificateTrust): string | null {
  const { scope } = certificate;
  if (certificate.hub !== hub) return `is of another hub (${certificate.hub})`;
  if (!isSigned(certificate, verify)) return "is not signed by the hub";
  if (scope.level === "store" && scope.name !== store) return `is for another store (${scope.name})`;
  if (scope.level === "region" && scope.name !== region) return `is for another region (${scope.name})`;
  return null;
}

function isSigned({ signature, ...signed }: Certificate, verify: CertificateTrust["verify"]): boolean {
  try {
    return verify(certificateBytes(signed), fromBase64(signature));
  } catch {
    return false;
  }
}

function taskOf(value: unknown): string | null {
  const task = (value as { readonly task?: unknown } | null)?.task;
  return typeof task === "string" ? task : null;
}

function nameOf(value: unknown): string {
  const id = (value as { readonly id?: unknown } | null)?.id;
  return `certificate ${typeof id === "string" ? id.slice(0, 64) : "without an id"} of ${taskOf(value)?.slice(0, 64) ?? "no task"}`;
}
