import { type IssuedCertificate } from "./certificate-issue.ts";

/**
 * What ended a certificate. `renewed`: the same one again, with fresh evidence. `raised` and `taken_back`: a person's word.
 * `contract`: another promise. `restarted`: what it speaks of has changed. `revived`: fresh labels came after it had
 * lapsed. `replaced`: something else was proved. `new_model`: the newest labels are another model's; agents that still run
 * the old one go on with it until it lapses.
 */
type CertificateEnd =
  | "renewed"
  | "raised"
  | "taken_back"
  | "alarm"
  | "lapsed"
  | "contract"
  | "restarted"
  | "revived"
  | "replaced"
  | "new_model";

export interface EndedCertificate extends IssuedCertificate {
  /** Null: it holds. `atMs` is null where a new model has no certificate yet. */
  readonly ended: { readonly why: CertificateEnd; readonly atMs: number | null } | null;
}

/**
 * Each with what came after it. Pure.
 *
 * @param certificates of one gate, the newest first
 * @param running whose labels came last; null before the first label
 */
export function withEnds(
  certificates: readonly IssuedCertificate[],
  running: Pick<IssuedCertificate, "model" | "calibration"> | null,
): readonly EndedCertificate[] {
  return certificates.map((one, index) => {
    const later = certificates.slice(0, index).reverse();
    const next = later.find((other) => isOfSame(other, one));
    if (next) return { ...one, ended: { why: whyOf(one, next), atMs: next.issuedAtMs } };
    if (running === null || isOfSame(running, one)) return { ...one, ended: null };
    return { ...one, ended: { why: "new_model", atMs: later[0]?.issuedAtMs ?? null } };
  });
}

function isOfSame(
  a: Pick<IssuedCertificate, "model" | "calibration">,
  b: Pick<IssuedCertificate, "model" | "calibration">,
): boolean {
  return a.model === b.model && a.calibration === b.calibration;
}

function whyOf(one: IssuedCertificate, next: IssuedCertificate): CertificateEnd {
  if (next.id === one.id) return "renewed";
  switch (next.basis) {
    case "raised":
    case "alarm":
    case "lapsed":
      return next.basis;
    case "collecting":
      return next.maxError === one.maxError && next.delta === one.delta ? "restarted" : "contract";
    case "launch":
    case "evidence":
      if (one.basis === "raised") return "taken_back";
      return one.basis === "lapsed" ? "revived" : "replaced";
  }
}
