import { type Heartbeat } from "../../../protocol/index.ts";
import { type FleetTables } from "./fleet-tables.ts";

/** What the fleet's pages say of one agent. Pure: rows and a time in, the report out. */

export type AgentRow = FleetTables["agents"];

export interface AgentReport {
  readonly id: string;
  readonly name: string;
  readonly state: "online" | "offline" | "never" | "revoked";
  readonly seenMs: number | null;
  readonly enrolledMs: number;
  readonly software: string | null;
  /** What the agent says of itself: `ready`, `degraded` …; null before its first heartbeat. */
  readonly health: string | null;
  readonly reasons: readonly { readonly code: string; readonly message: string }[];
  readonly backlog: Backlog;
  /** Escalations that wait for people, by the agent's own journal. */
  readonly waiting: number;
  readonly inFlight: number;
  readonly safeToPowerOff: boolean | null;
  readonly models: Heartbeat["status"]["models"];
  readonly config: {
    readonly revision: number | null;
    readonly digest: string | null;
    /** Version that it should run, and that it says to run. */
    readonly wanted: number;
    readonly applied: number | null;
    readonly drift: Drift;
  };
  /** When a second box last reported with this agent's key. */
  readonly clonedMs: number | null;
}

/**
 * `same`: it runs what the hub's layers give. `behind`: another version. `local`: this version, and the box's own file
 * changes something in it. `none`: the hub has no layers for it. `unknown`: it has not reported.
 */
type Drift = "same" | "behind" | "local" | "none" | "unknown";

interface Backlog {
  /** Rows of the agent's outbox that the hub has durably, of those that its journal has written. */
  readonly received: number;
  readonly written: number;
  readonly pending: number;
  /** `97 of 98 received, 1 pending`. */
  readonly text: string;
}

export interface ReportInputs {
  readonly nowMs: number;
  readonly offlineAfterMs: number;
  /** What the hub has of the journal that the agent writes now; null where nothing came. */
  readonly stream: { readonly watermark: number; readonly last_seq: number } | null;
  /** Digest of the config that the hub's layers give. */
  readonly wantedDigest: string;
}

export function agentReport(row: AgentRow, inputs: ReportInputs): AgentReport {
  const heartbeat = heartbeatOf(row);
  const status = heartbeat?.status ?? null;
  return {
    id: row.agent_id,
    name: row.name,
    state: stateOf(row, inputs),
    seenMs: row.seen_ms,
    enrolledMs: row.enrolled_ms,
    software: row.software,
    health: status?.state ?? null,
    reasons: status?.reasons ?? [],
    backlog: backlogOf(heartbeat, inputs.stream),
    waiting: status?.waiting ?? 0,
    inFlight: status?.inFlight ?? 0,
    safeToPowerOff: status?.safeToPowerOff ?? null,
    models: status?.models ?? [],
    config: {
      revision: status?.config.revision ?? null,
      digest: status?.config.digest ?? null,
      wanted: row.config_version,
      applied: heartbeat?.hubConfig ?? null,
      drift: driftOf(row.config_version, heartbeat, inputs.wantedDigest),
    },
    clonedMs: row.cloned_ms,
  };
}

/** The last heartbeat, as it was checked when it came. */
export function heartbeatOf({ heartbeat }: Pick<AgentRow, "heartbeat">): Heartbeat | null {
  return heartbeat === null ? null : (JSON.parse(heartbeat) as Heartbeat);
}

export function stateOf(
  { state, seen_ms: seenMs }: Pick<AgentRow, "state" | "seen_ms">,
  { nowMs, offlineAfterMs }: Pick<ReportInputs, "nowMs" | "offlineAfterMs">,
): AgentReport["state"] {
  if (state === "revoked") return "revoked";
  if (seenMs === null) return "never";
  return nowMs - seenMs <= offlineAfterMs ? "online" : "offline";
}

/** The hub knows what it received, and the later of both sides' words what was written. */
function backlogOf(heartbeat: Heartbeat | null, stream: ReportInputs["stream"]): Backlog {
  const received = stream?.watermark ?? 0;
  const written = Math.max(received, stream?.last_seq ?? 0, heartbeat?.outbox.lastSeq ?? 0);
  const pending = written - received;
  return { received, written, pending, text: `${received} of ${written} received, ${pending} pending` };
}

function driftOf(wanted: number, heartbeat: Heartbeat | null, wantedDigest: string): Drift {
  if (heartbeat === null) return "unknown";
  if (wanted === 0) return "none";
  if (heartbeat.hubConfig !== wanted) return "behind";
  return heartbeat.status.config.digest === wantedDigest ? "same" : "local";
}
