import { type HoldpointError } from "../../protocol/index.ts";
import { type LinkState } from "./link-health.ts";

/** What an agent can say of its hub: for its status, its metrics and its readiness. */
export interface LinkFacts {
  readonly state: LinkState;
  readonly isEnrolled: boolean;
  readonly agentId: string | null;
  /** Pictures that the hub wants and has not. */
  readonly owedPictures: number;
  /** Rows that the hub set aside, and pictures that could not be sent any more, since the start. */
  readonly refusedRows: number;
  readonly droppedPictures: number;
  /** Items of the feed since the start. */
  readonly applied: number;
  readonly skipped: number;
  /** Monotonic time at which the feed was last at its end. */
  readonly feedFreshAtMs: number | null;
  readonly configVersion: number | null;
  /** Reasons to be degraded. */
  readonly problems: readonly { readonly code: string; readonly message: string }[];
}

export interface ReportInputs {
  readonly state: LinkState;
  /** Monotonic. */
  readonly nowMs: number;
  readonly offlineMsMax: number;
  readonly own: readonly (HoldpointError | null)[];
  readonly isBehind: boolean;
}

/** Being offline is no problem within its budget; everything else that a person must mend is one. */
export function linkProblems(inputs: ReportInputs): LinkFacts["problems"] {
  const { state, own, isBehind } = inputs;
  // An agent that the hub refused to enrol is shut out for the same reason: it is said once.
  const isSaid = ({ code, message }: HoldpointError): boolean =>
    own.some((error) => error?.code === code && error.message === message);
  const problems = own.flatMap((error) => (error ? [told(error)] : []));
  if (state.kind === "shut_out" && !isSaid(state.error)) problems.push(told(state.error));
  if (state.kind === "connected" && state.trouble) problems.push(told(state.trouble));
  if (state.kind === "unreachable" && inputs.nowMs - state.sinceMonotonicMs > inputs.offlineMsMax) {
    const hours = Math.round((inputs.nowMs - state.sinceMonotonicMs) / 3_600_000);
    problems.push({
      code: state.error.code,
      message: `the hub is out of reach for ${hours} h: ${state.error.message}`,
    });
  }
  if (isBehind) {
    const message = "the hub has rows of this journal that are not in it: it was put back from a copy; nothing is sent";
    problems.push({ code: "HP_JOURNAL", message });
  }
  return problems;
}

function told({ code, message }: HoldpointError): { readonly code: string; readonly message: string } {
  return { code, message: `hub: ${message}` };
}
