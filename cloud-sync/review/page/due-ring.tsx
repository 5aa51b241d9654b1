import { type JSX } from "preact";
import type { ReviewCase } from "../../../protocol/index.ts";
import { leftText } from "./wording.ts";

const urgentMs = 60_000;

/** Time until the case takes its fallback, as a ring that empties. */
export function DueRing({ held, nowMs }: { readonly held: ReviewCase; readonly nowMs: number }): JSX.Element | null {
  if (held.dueAtMs === null) return null;
  const leftMs = Math.max(0, held.dueAtMs - nowMs);
  const share = Math.min(1, leftMs / Math.max(1, held.dueAtMs - held.heldAtMs));
  const isUrgent = leftMs < urgentMs;
  return (
    <div
      class={isUrgent ? "due urgent" : "due"}
      role="timer"
      aria-label={`Time left: ${leftText(leftMs)}`}
      title="Time left to answer"
    >
      <svg viewBox="0 0 44 44" width="44" height="44" aria-hidden="true">
        <circle class="due-track" cx="22" cy="22" r="19" />
        <circle
          class="due-left"
          cx="22"
          cy="22"
          r="19"
          pathLength="100"
          stroke-dasharray={`${(share * 100).toFixed(1)} 100`}
        />
      </svg>
      <span>{leftText(leftMs)}</span>
    </div>
  );
}
