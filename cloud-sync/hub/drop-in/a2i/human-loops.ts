import { sql } from "kysely";
import { type z } from "zod";
import { fromBase64, HoldpointError, newId, toBase64, toHex } from "../../../../protocol/index.ts";
import { isInReach } from "../../api/caller.ts";
import { importCases } from "../../cases/import-case.ts";
import { type HubReader } from "../../database/database.ts";
import { lockCase } from "../../review/slots.ts";
import { caseResults, type CaseResult } from "../case-result.ts";
import { type DropInTables } from "../drop-in-tables.ts";
import { anyJson, jsonFacts } from "../json-facts.ts";
import { senderName } from "../work-scope.ts";
import { type DropInOptions } from "../drop-in-options.ts";
import { timeText, type ListQuery, type LoopStatus, type startSchema } from "./a2i-protocol.ts";
import { flowOf, type Flow } from "./flow-definitions.ts";
import { type WorkCaller } from "./work-keys.ts";

type LoopRow = DropInTables["a2i_loops"];
type LoopCaller = Pick<WorkCaller, "name" | "stores" | "tasks">;
type Start = Pick<z.output<typeof startSchema>, "HumanLoopName" | "FlowDefinitionArn" | "HumanLoopInput">;

/** Starts a loop: a case for people. The same name with the same input is the same loop. Errors: HP_CONFLICT, HP_NOT_FOUND. */
export async function startLoop(
  options: DropInOptions,
  caller: LoopCaller,
  start: Start,
): Promise<{ HumanLoopArn: string }> {
  const { database, hasher, clock, random } = options;
  const { HumanLoopName: name, FlowDefinitionArn: flowArn } = start;
  const { InputContent: input } = start.HumanLoopInput;
  const flow = await database.read((db) => flowOf({ db }, caller, flowArn));
  const digest = toHex(hasher.sha256(new TextEncoder().encode(`${flowArn}\n${input}`)));
  const known = await knownLoop(options, caller, name, digest);
  if (known !== null) return { HumanLoopArn: known };
  const nowMs = Math.round(clock.wallMs());
  const { facts, picture } = jsonFacts(inputJson(input));
  const one = {
    ...{
      decisionId: newId(clock, random),
      store: flow.store,
      task: flow.task,
      device: senderName(caller.name),
      digest,
    },
    view: {
      ...{ inputKind: picture ? "image" : "features", context: {}, facts, series: [] },
      ...{ suggestions: [], confidence: 0, question: flow.settings.question, explanation: null },
    },
    ...{ picture, extra: { source: "a2i", loop: name }, dueMs: nowMs + flow.settings.availableForS * 1000 },
  };
  const arn = loopArn(flow, name);
  try {
    await importCases(options, [one], async (trx, [taken]) => {
      const row: LoopRow = {
        ...{ name, arn, flow_arn: flowArn, store: flow.store, task: flow.task, case_id: taken?.caseId ?? "", digest },
        ...{ input, answer_name: flow.settings.answerName, created_ms: nowMs, stopped_ms: null },
        made_by: senderName(caller.name),
      };
      const made = await trx.db
        .insertInto("a2i_loops")
        .values(row)
        .onConflict((conflict) => conflict.column("name").doNothing())
        .returning("name")
        .executeTakeFirst();
      if (!made) throw nameTaken(name);
    });
  } catch (cause) {
    // Another call with that name was a moment faster: a repeat of it is no conflict.
    const other = await knownLoop(options, caller, name, digest);
    if (other !== null) return { HumanLoopArn: other };
    throw cause;
  }
  return { HumanLoopArn: arn };
}

function inputJson(input: string): unknown {
  try {
    return anyJson(input);
  } catch (cause) {
    const why = cause instanceof HoldpointError ? cause.message : "no JSON";
    throw new HoldpointError("HP_SCHEMA", `HumanLoopInput.InputContent: ${why}`, { cause });
  }
}

async function knownLoop(
  { database }: DropInOptions,
  caller: LoopCaller,
  name: string,
  digest: string,
): Promise<string | null> {
  const row = await database.read((db) => findLoop({ db }, name));
  if (!row) return null;
  if (row.digest === digest && isInReach(caller, row)) return row.arn;
  throw nameTaken(name);
}

function nameTaken(name: string): HoldpointError {
  return new HoldpointError("HP_CONFLICT", `There is a human loop named ${name} with a different input already`);
}

function loopArn({ arn }: Flow, name: string): string {
  return `${arn.slice(0, arn.indexOf(":flow-definition/"))}:human-loop/${name}`;
}

async function findLoop({ db }: HubReader, name: string): Promise<LoopRow | null> {
  return (await db.selectFrom("a2i_loops").selectAll().where("name", "=", name).executeTakeFirst()) ?? null;
}

export interface LoopState {
  readonly row: LoopRow;
  readonly status: LoopStatus;
  readonly result: CaseResult | null;
  readonly failure: { readonly code: string; readonly reason: string } | null;
}

/** The loop and what people have made of it. Errors: HP_NOT_FOUND. */
export async function loopState({ database }: DropInOptions, caller: LoopCaller, name: string): Promise<LoopState> {
  return database.read(async (db) => {
    const row = await findLoop({ db }, name);
    if (!row || !isInReach(caller, row))
      throw new HoldpointError("HP_NOT_FOUND", `The human loop ${name} does not exist`);
    return stateOf(row, await caseResults({ db }, [row.case_id]));
  });
}

function stateOf(row: LoopRow, results: ReadonlyMap<string, CaseResult>): LoopState {
  const result = results.get(row.case_id) ?? null;
  if (row.stopped_ms !== null) return { row, status: "Stopped", result, failure: null };
  if (result === null) {
    return { row, status: "Failed", result, failure: { code: "Erased", reason: "The case was erased at the hub" } };
  }
  if (!result.isDone) return { row, status: "InProgress", result, failure: null };
  if (result.answer !== null) return { row, status: "Completed", result, failure: null };
  return { row, status: "Failed", result, failure: { code: "TaskExpired", reason: "Nobody answered in time" } };
}

/** A page of a flow definition's loops, by the time of their start. Errors: HP_NOT_FOUND, HP_SCHEMA. */
export async function listLoops(
  { database }: DropInOptions,
  caller: LoopCaller,
  query: ListQuery,
): Promise<Readonly<Record<string, unknown>>> {
  const isRising = query.SortOrder === "Ascending";
  const after = query.NextToken === undefined ? null : readToken(query.NextToken, query.SortOrder);
  return database.read(async (db) => {
    const flow = await flowOf({ db }, caller, query.FlowDefinitionArn);
    const [sign, order] = isRising ? ([">", "asc"] as const) : (["<", "desc"] as const);
    const { CreationTimeAfter: fromMs, CreationTimeBefore: toMs } = query;
    let rows = db.selectFrom("a2i_loops").selectAll().where("flow_arn", "=", flow.arn);
    if (fromMs !== undefined) rows = rows.where("created_ms", ">", fromMs);
    if (toMs !== undefined) rows = rows.where("created_ms", "<", toMs);
    if (after) {
      rows = rows.where(sql<boolean>`(created_ms, name) ${sql.raw(sign)} (${after.createdMs}, ${after.name})`);
    }
    const found = await rows
      .orderBy("created_ms", order)
      .orderBy("name", order)
      .limit(query.MaxResults + 1)
      .execute();
    const page = found.slice(0, query.MaxResults);
    const last = page.at(-1);
    const results = await caseResults(
      { db },
      page.map((row) => row.case_id),
    );
    const summaries = page.map((row) => summaryOf(stateOf(row, results)));
    const isMore = found.length > page.length && last !== undefined;
    return {
      HumanLoopSummaries: summaries,
      ...(isMore ? { NextToken: tokenOf(last, query.SortOrder) } : {}),
    };
  });
}

export function summaryOf({ row, status, failure }: LoopState): Readonly<Record<string, unknown>> {
  return {
    ...{ HumanLoopName: row.name, HumanLoopStatus: status, CreationTime: timeText(row.created_ms) },
    ...{ FlowDefinitionArn: row.flow_arn, ...(failure ? { FailureReason: failure.reason } : {}) },
  };
}

function tokenOf({ created_ms: createdMs, name }: LoopRow, order: string): string {
  return toBase64(new TextEncoder().encode(JSON.stringify([order, createdMs, name])));
}

function readToken(token: string, order: string): { readonly createdMs: number; readonly name: string } {
  try {
    const parsed = JSON.parse(new TextDecoder().decode(fromBase64(token))) as unknown;
    const [given, createdMs, name] = Array.isArray(parsed) ? (parsed as unknown[]) : [];
    if (given === order && Number.isSafeInteger(createdMs) && typeof name === "string") {
      return { createdMs: Number(createdMs), name };
    }
  } catch {
    // Said below.
  }
  throw new HoldpointError("HP_SCHEMA", "NextToken: is none of this list");
}

/** Nobody is asked any more. Once stopped, again changes nothing. Errors: HP_NOT_FOUND, HP_SCHEMA (it has ended). */
export async function stopLoop(options: DropInOptions, caller: LoopCaller, name: string): Promise<void> {
  const { status, row } = await loopState(options, caller, name);
  if (status === "Stopped") return;
  const { database, clock, listener } = options;
  const nowMs = Math.round(clock.wallMs());
  await database.write(async (trx) => {
    // The case's row in the review room first, as everywhere: an answer may be about to leave.
    await lockCase(database, trx, row.case_id);
    const state = stateOf(row, await caseResults(trx, [row.case_id]));
    if (state.status !== "InProgress") {
      throw new HoldpointError("HP_SCHEMA", `The human loop ${name} is ${state.status} and cannot be stopped`);
    }
    await trx.db
      .updateTable("cases")
      .set({ state: "final", final_ms: nowMs })
      .where("case_id", "=", row.case_id)
      .where("state", "=", "open")
      .execute();
    await trx.db.updateTable("a2i_loops").set({ stopped_ms: nowMs }).where("name", "=", name).execute();
    await listener.settled(trx, { caseId: row.case_id, task: row.task, decidedBy: "fallback", label: null });
    trx.tell({ kind: "case", caseId: row.case_id });
  });
}

/** Forgets a loop that has ended. Its case stays for as long as the hub keeps cases. Errors: HP_NOT_FOUND, HP_SCHEMA. */
export async function deleteLoop(options: DropInOptions, caller: LoopCaller, name: string): Promise<void> {
  const { status } = await loopState(options, caller, name);
  if (status === "InProgress") {
    throw new HoldpointError("HP_SCHEMA", `The human loop ${name} is InProgress; stop it first`);
  }
  await options.database.write(({ db }) => db.deleteFrom("a2i_loops").where("name", "=", name).execute());
}
