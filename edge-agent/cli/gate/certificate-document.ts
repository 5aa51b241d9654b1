import { type ErrorContract } from "../../../models/measure/certify.ts";
import { type Certificate, certificateSchema, certificatesMax, HoldpointError } from "../../../protocol/index.ts";
import { type GroupCertificate } from "./group-report.ts";

/** Options of `gate certify --write`, as they are typed. */
export interface DocumentFlags {
  readonly by?: string;
  readonly model?: string;
  readonly task?: string;
  readonly modelDigest?: string;
  readonly calibration?: string;
  readonly scope: string;
  readonly label?: string;
  readonly rung: string;
  readonly lapseAfterDays: string;
  readonly lapseAccepts: string;
}

/** What a document needs that nobody types. */
export interface DocumentStamp {
  readonly id: () => string;
  readonly issuedAtMs: number;
}

const dayMs = 86_400_000;

/**
 * The certificates as documents that a decider or an agent takes: one for the scope that was named, or, where the file
 * was grouped by `store` or by `region`, one for each of these. They are not signed: whoever may write this file may write
 * a gate threshold as well.
 *
 * Throws HP_USAGE for what is missing or does not fit the document.
 */
export function certificateDocuments(
  whole: GroupCertificate,
  groups: readonly GroupCertificate[],
  contract: ErrorContract,
  flags: DocumentFlags,
  stamp: DocumentStamp,
): readonly Certificate[] {
  const rest = {
    ...{ task: required("--task", flags.task), model: required("--model-digest", flags.modelDigest) },
    calibration: required("--calibration", flags.calibration),
    ...{ label: flags.label ?? null, rung: flags.rung, ...contract },
    lapse: { acceptedMax: Number(flags.lapseAccepts), afterMs: Number(flags.lapseAfterDays) * dayMs },
  };
  const scoped =
    flags.by === undefined ? [{ scope: scopeOf(flags.scope), certificate: whole }] : grouped(groups, flags.by);
  if (scoped.length > certificatesMax) {
    throw new HoldpointError("HP_USAGE", `${scoped.length} certificates are more than ${certificatesMax} of one file`);
  }
  return scoped.map(({ scope, certificate }) => {
    const checked = certificateSchema.safeParse({ ...rest, scope, ...proofOf(certificate), ...made(stamp) });
    if (checked.success) return checked.data;
    const [fault] = checked.error.issues;
    throw new HoldpointError(
      "HP_USAGE",
      `${fault?.path.join(".") ?? "certificate"}: ${fault?.message ?? "does not fit"}`,
    );
  });
}

function required(option: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new HoldpointError("HP_USAGE", `--write takes ${option}`, {
    hint: "A certificate names the task, the model and its calibration: --model takes all three from the model's folder.",
  });
}

function scopeOf(text: string): { readonly level: string; readonly name: string } {
  if (text === "fleet") return { level: "fleet", name: "-" };
  const [level = "", ...name] = text.split(":");
  if ((level === "store" || level === "region") && name.join(":") !== "") return { level, name: name.join(":") };
  throw new HoldpointError("HP_USAGE", `--scope ${text} is none`, { hint: "fleet, store:NAME or region:NAME" });
}

function grouped(groups: readonly GroupCertificate[], by: string) {
  if (by !== "store" && by !== "region") {
    throw new HoldpointError("HP_USAGE", `--write with --by ${by}: a scope is a store or a region`, {
      hint: "Group by store or by region alone, and certify one task at a time.",
    });
  }
  return groups.map((certificate) => ({ scope: { level: by, name: certificate.group[by] ?? "" }, certificate }));
}

function proofOf(certificate: GroupCertificate) {
  const { threshold, n, accepted, errors, coverage, upperBound, level } = certificate;
  const isProved = threshold !== null;
  return {
    ...{ gateThreshold: threshold, labels: n, accepted, errors, coverage, upperBound, level },
    ...{ basis: isProved ? "launch" : "collecting", method: isProved ? "fallback_auto" : "none" },
  };
}

function made({ id, issuedAtMs }: DocumentStamp) {
  return { v: 1, id: id(), renewal: 1, hub: "-", epoch: 1, adjust: null, cap: null, issuedAtMs, signature: "" };
}
