import { type Certificate } from "../protocol/index.ts";
import { type Contract, type GatePolicy } from "./policy.ts";

const scopes = ["store", "region", "fleet"] as const;

/**
 * Those of a task that one of its contracts asks for, narrowest scope first and the newest of a scope before older ones:
 * the order in which files or answers had them does not show in the config's digest.
 */
export function certificatesFor(
  task: string,
  gate: Omit<GatePolicy, "certificates">,
  certificates: readonly Certificate[],
): readonly Certificate[] {
  const rank = ({ scope }: Certificate): number => scopes.indexOf(scope.level);
  const wanted = certificates.filter((one) => one.task === task && contractFor(gate, one.rung, one.label) !== null);
  return wanted
    .map((certificate) => structuredClone(certificate))
    .sort((a, b) => rank(a) - rank(b) || newestFirst(a, b));
}

function newestFirst(a: Certificate, b: Certificate): number {
  const apart = b.epoch - a.epoch || b.issuedAtMs - a.issuedAtMs || b.renewal - a.renewal;
  return apart || (a.id < b.id ? -1 : 1);
}

/** The contract that a certificate of this rung and class would have to keep, or null where a number decides. */
export function contractFor(
  gate: Omit<GatePolicy, "certificates">,
  rung: "fine" | "coarse",
  label: string | null,
): Contract | null {
  const own = gate.target.kind === "contract" ? gate.target : null;
  if (rung === "coarse") return label === null ? (gate.coarseContract ?? own) : null;
  if (label === null) return own;
  return Object.hasOwn(gate.classContracts, label) ? (gate.classContracts[label] ?? null) : null;
}
