import { HoldpointError } from "../protocol/index.ts";

/** Something wrong in a config file, at a place. Lines and columns count from 1. */
export interface ConfigFault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `tasks.product_identification.decide_within`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

export type Faulty = { readonly ok: false; readonly error: HoldpointError; readonly faults: readonly ConfigFault[] };

/** `store.yaml:12:3 tasks.shelf.decide_within: must be a duration …` */
export function faultText(fault: ConfigFault): string {
  const key = fault.key === "" ? "" : ` ${fault.key}:`;
  return `${fault.file}:${fault.line}:${fault.column}${key} ${fault.message}`;
}

/** One HP_CONFIG for all faults: its message is the first one's, and says how many more there are. */
export function faulty(faults: readonly [ConfigFault, ...ConfigFault[]]): Faulty {
  const [first, ...others] = faults;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  const error = new HoldpointError("HP_CONFIG", `${faultText(first)}${more}`, { hint: first.hint });
  return { ok: false, error, faults };
}

export const mendHint = "Mend this line; until then the last good config stays in force.";
