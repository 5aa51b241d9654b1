import { editLayer, parseLayer } from "../../../config/index.ts";
import { HoldpointError, newId } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { layerFile } from "../config/config-check.ts";
import { applyEdit, type LayerEditor } from "../config/config-layers.ts";
import { readLayer } from "../config/config-reading.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { isWithinLimits, readLimits } from "./gate-limits.ts";
import { proposalsFor } from "./gate-proposals.ts";
import { type GateTables } from "./gate-tables.ts";
import { missShareOf } from "./label-quality.ts";
import { proposalStores } from "./proposal-inputs.ts";
import { type GateProposal, type ProposedEdit } from "./proposal-parts.ts";

/** Proposals are kept until somebody applies or dismisses them, or the world has moved on. */

type ProposalRow = GateTables["gate_proposals"];

export interface KeptProposal extends GateProposal {
  readonly id: string;
  readonly state: ProposalRow["state"];
  readonly madeMs: number;
  readonly endedMs: number | null;
  readonly endedBy: string | null;
  readonly why: string | null;
}

/** One that was dismissed is not made again for so long. */
const dismissedMs = 30 * 86_400_000;

/**
 * Makes the proposals of a task anew: what is still to be proposed is renewed, what is not any more is superseded, and
 * what lies within the limits that a person has set is applied at once. Returns how many are open.
 */
export async function renewProposals(parts: HubParts, task: string): Promise<number> {
  const { database, clock } = parts;
  const nowMs = Math.round(clock.wallMs());
  const [stores, missShare] = await database.read(async (db) => [
    await proposalStores(db, parts.hasher, task, nowMs),
    await missShareOf({ db }, task),
  ]);
  const found = proposalsFor(task, stores, missShare);
  await database.write(async (trx) => {
    const known = await trx.db
      .selectFrom("gate_proposals")
      .select(["subject", "state"])
      .where("task", "=", task)
      .where((row) =>
        row.or([
          row("state", "=", "open"),
          row.and([row("state", "=", "dismissed"), row("ended_ms", ">", nowMs - dismissedMs)]),
        ]),
      )
      .execute();
    const isDismissed = new Set(known.filter(({ state }) => state === "dismissed").map(({ subject }) => subject));
    const kept = new Set<string>();
    for (const proposal of found) {
      const subject = subjectOf(proposal);
      if (isDismissed.has(subject)) continue;
      kept.add(subject);
      await keep(
        parts,
        trx,
        proposal,
        subject,
        known.some((one) => one.state === "open" && one.subject === subject),
        nowMs,
      );
    }
    const gone = known.filter(({ state, subject }) => state === "open" && !kept.has(subject));
    for (const { subject } of gone) {
      await trx.db
        .updateTable("gate_proposals")
        .set({ state: "superseded", ended_ms: nowMs })
        .where("task", "=", task)
        .where("subject", "=", subject)
        .where("state", "=", "open")
        .execute();
    }
  });
  await applyWithinLimits(parts, task);
  const { count } = await database.read((db) =>
    db
      .selectFrom("gate_proposals")
      .select((row) => row.fn.countAll<number>().as("count"))
      .where("task", "=", task)
      .where("state", "=", "open")
      .executeTakeFirstOrThrow(),
  );
  return count;
}

/** The same thing whenever it is proposed: which kind, in which layers. */
function subjectOf({ kind, edits }: GateProposal): string {
  return [kind, ...edits.map(({ layer, scope }) => layerFile(layer, scope)).sort()].join(" ");
}

async function keep(
  { clock, random, events }: HubParts,
  trx: HubTransaction,
  proposal: GateProposal,
  subject: string,
  isKnown: boolean,
  nowMs: number,
): Promise<void> {
  const { task, title, kind, stores } = proposal;
  const body = JSON.stringify(proposal);
  if (isKnown) {
    await trx.db
      .updateTable("gate_proposals")
      .set({ body })
      .where("task", "=", task)
      .where("subject", "=", subject)
      .where("state", "=", "open")
      .execute();
    return;
  }
  const id = newId(clock, random);
  await trx.db
    .insertInto("gate_proposals")
    .values({
      ...{ proposal_id: id, task, subject, body, state: "open", made_ms: nowMs },
      ...{ ended_ms: null, ended_by: null, why: null },
    })
    .execute();
  await events.emit(trx, [
    { type: "gate.proposed", store: null, data: { id, task, kind, title, stores: stores.length } },
  ]);
  trx.tell({ kind: "gate", task });
}

async function applyWithinLimits(parts: HubParts, task: string): Promise<void> {
  const set = await parts.database.read((db) => readLimits(db, task));
  if (!set) return;
  const open = await parts.database.read((db) =>
    db.selectFrom("gate_proposals").selectAll().where("task", "=", task).where("state", "=", "open").execute(),
  );
  for (const row of open) {
    if (!isWithinLimits(JSON.parse(row.body) as GateProposal, set.limits)) continue;
    const why = `within the limits that ${set.changedBy} has set`;
    await endProposal(parts, hubItself, row.proposal_id, "applied", why).catch((cause: unknown) => {
      // Somebody changes the layer right now, or it cannot be edited so: it stays a proposal.
      parts.logger.warn("hub_gate_proposal_not_applied", { proposal: row.proposal_id, cause });
    });
  }
}

type Ender = LayerEditor & Pick<PersonCaller, "stores" | "tasks">;

const hubItself: Ender = Object.freeze({ kind: "program", id: "hub", name: "hub", stores: null, tasks: null });

/**
 * Puts a proposal's edits in force, all or none, or dismisses it. Errors: HP_NOT_FOUND, HP_CONFLICT (it is not open any
 * more, or a layer cannot be edited so), HP_FORBIDDEN (a layer is not the caller's), HP_CONFIG.
 */
export async function endProposal(
  parts: HubParts,
  caller: Ender,
  id: string,
  to: "applied" | "dismissed",
  why: string,
): Promise<KeptProposal> {
  const { database, clock, audit, events } = parts;
  return database.write(async (trx) => {
    const row = await trx.db
      .selectFrom("gate_proposals")
      .selectAll()
      .where("proposal_id", "=", id)
      .$if(database.kind === "postgres", (query) => query.forUpdate())
      .executeTakeFirst();
    const kept = row && keptOf(row);
    if (!kept || !isTheirs(caller, kept)) throw new HoldpointError("HP_NOT_FOUND", "no such proposal");
    if (kept.state !== "open") throw new HoldpointError("HP_CONFLICT", `the proposal was ${kept.state} already`);
    for (const edit of kept.edits) mustChange(caller, edit);
    if (to === "applied") for (const edit of kept.edits) await apply(parts, trx, caller, kept, edit, why);
    const ended = { state: to, ended_ms: Math.round(clock.wallMs()), ended_by: caller.name, why };
    await trx.db.updateTable("gate_proposals").set(ended).where("proposal_id", "=", id).execute();
    const { task, title } = kept;
    const entry = { actor: `${caller.kind}:${caller.id}`, action: `gate_proposal.${to}`, subject: `task:${task}` };
    await audit.record(trx, { ...entry, detail: { id, title, why } });
    if (to === "applied")
      await events.emit(trx, [{ type: "gate.applied", store: null, data: { id, task, title, by: caller.name } }]);
    trx.tell({ kind: "gate", task });
    return { ...kept, state: to, endedMs: ended.ended_ms, endedBy: caller.name, why };
  });
}

/** Whoever sees some stores hears of proposals that are about those only. */
export function isTheirs({ stores, tasks }: Pick<PersonCaller, "stores" | "tasks">, proposal: GateProposal): boolean {
  return inScope(tasks, proposal.task) && proposal.stores.every((store) => inScope(stores, store));
}

function mustChange({ stores }: Ender, { layer, scope }: ProposedEdit): void {
  if (stores === null || (layer === "store" && inScope(stores, scope))) return;
  throw new HoldpointError("HP_FORBIDDEN", `the layer ${layerFile(layer, scope)} is also of stores that are not yours`);
}

async function apply(
  parts: HubParts,
  trx: HubTransaction,
  caller: LayerEditor,
  { task, title }: GateProposal,
  edit: ProposedEdit,
  why: string,
): Promise<void> {
  const { layer, scope } = edit;
  const { text, revision } = await readLayer(trx.db, { layer, scope });
  const edited = editedBy(edit, text, task);
  if (edited === null) {
    throw new HoldpointError("HP_CONFLICT", `${layerFile(layer, scope)} does not say this any more`, {
      hint: "Change the layer by hand, or wait for the next proposal.",
    });
  }
  await applyEdit(parts, trx, caller, { layer, scope, text: edited, revision, why: `${title} (${why})` }, null);
}

/** The layer's text as the proposal would have it; null where the layer does not say any more what the proposal is about. */
function editedBy({ layer, scope, contract, replaces }: ProposedEdit, text: string, task: string): string | null {
  const parsed = parseLayer(text, layerFile(layer, scope));
  const given = parsed.ok ? parsed.document.values.thresholds?.[task] : undefined;
  const isLonger = typeof given === "object" && given !== null && !("max_error" in given);
  const path = ["thresholds", task, ...(isLonger ? ["default"] : [])];
  const own = isLonger ? given.default : given;
  if (replaces === undefined) return typeof own === "number" ? editLayer(text, path, contract) : null;
  // Of a contract one number changes: what else it says was not proposed to be another.
  const isSame = typeof own === "object" && own !== null && own.max_error === replaces.max_error;
  return isSame ? editLayer(text, [...path, "max_error"], contract?.max_error) : null;
}

export function keptOf(row: ProposalRow): KeptProposal {
  const { proposal_id: id, state, made_ms: madeMs, ended_ms: endedMs, ended_by: endedBy, why } = row;
  return { ...(JSON.parse(row.body) as GateProposal), id, state, madeMs, endedMs, endedBy, why };
}
