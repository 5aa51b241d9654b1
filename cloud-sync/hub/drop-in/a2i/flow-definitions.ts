import { z } from "zod";
import { HoldpointError, limits, namePattern } from "../../../../protocol/index.ts";
import { isInReach, type PersonCaller } from "../../api/caller.ts";
import { type HubReader, type HubTransaction } from "../../database/database.ts";
import { reviewRulesSchema, rulesOf } from "../../review/review-rules.ts";
import { type HubParts } from "../../room.ts";
import { senderName, workStore } from "../work-scope.ts";
import { keepWorkTask } from "../work-tasks.ts";
import { readConditions, type ActivationConditions } from "./activation.ts";

/** Human review workflows: what A2I keeps under a flow definition's ARN, in the hub's words. */
export interface Flow {
  readonly arn: string;
  readonly store: string;
  readonly task: string;
  readonly settings: FlowSettings;
}

const labelsMax = 2_000;
const text = z.string().min(1).max(limits.textCharsMax);

const settingsShape = {
  question: text,
  /** Name of the crowd element whose answer stood in `answerContent`. */
  answerName: z.string().min(1).max(128).default("category"),
  /** TaskAvailabilityLifetimeInSeconds: after it a loop that nobody answered has failed. A2I's own bounds. */
  availableForS: z.number().int().min(60).max(864_000).default(864_000),
  /** HumanLoopActivationConditions; null: a loop begins whenever it is started. */
  activationConditions: z.unknown().default(null),
};

export const flowSchema = z.strictObject({
  /** May be left out where the token is for one store only. */
  store: z.string().regex(namePattern).optional(),
  task: z.string().regex(namePattern),
  /** Empty: any text may be the answer. */
  labels: z.array(text).max(labelsMax).default([]),
  /** TaskCount: people who must agree. The task's own rules where it is left out. */
  reviewers: reviewRulesSchema.shape.reviewersNeeded.optional(),
  ...settingsShape,
});

export interface FlowSettings {
  readonly question: string;
  readonly answerName: string;
  readonly availableForS: number;
  readonly activationConditions: ActivationConditions | null;
}

/** Makes the flow definition, or changes it for the loops to come. Errors: HP_SCHEMA, HP_FORBIDDEN, HP_NOT_FOUND. */
export async function putFlow(
  parts: HubParts,
  caller: PersonCaller,
  arn: string,
  { store: named, task, labels, reviewers, ...rest }: z.output<typeof flowSchema>,
): Promise<{ arn: string }> {
  const store = workStore(caller, named, task);
  const settings = { ...rest, activationConditions: conditionsOf(rest.activationConditions) };
  await parts.database.write(async (trx) => {
    const known = await findFlow(trx, arn);
    if (known && !isInReach(caller, known)) throw unknownFlow(arn);
    const values = { store, task, body: JSON.stringify(settings) };
    const made = { made_ms: Math.round(parts.clock.wallMs()), made_by: senderName(caller.name) };
    await trx.db
      .insertInto("a2i_flows")
      .values({ arn, ...values, ...made })
      .onConflict((conflict) => conflict.column("arn").doUpdateSet(values))
      .execute();
    await keepWorkTask(parts, trx, { store, task, labels, question: settings.question });
    if (reviewers !== undefined) await needReviewers(parts, trx, caller, task, reviewers);
    await parts.audit.record(trx, {
      ...{ actor: `${caller.kind}:${caller.id}`, action: "a2i_flow.changed", subject: `flow:${arn}` },
      detail: { store, task, labels: labels.length, ...(reviewers === undefined ? {} : { reviewers }) },
    });
  });
  return { arn };
}

function conditionsOf(json: unknown): ActivationConditions | null {
  if (json === null || json === undefined) return null;
  const read = readConditions(json);
  if (!read.ok) throw new HoldpointError("HP_SCHEMA", `ValidationException: ${read.problem}`);
  return read.value;
}

/** The rules of a task are of every store that has it: only who may see all of them changes them here. */
async function needReviewers(
  { clock }: HubParts,
  trx: HubTransaction,
  caller: PersonCaller,
  task: string,
  reviewersNeeded: number,
): Promise<void> {
  const before = (await rulesOf(trx.db, [task]))(task);
  if (before.reviewersNeeded === reviewersNeeded) return;
  if (caller.stores !== null) {
    throw new HoldpointError("HP_FORBIDDEN", "reviewers: the rules of a task are of every store", {
      hint: "Use a token of the whole hub, or leave reviewers out.",
    });
  }
  const values = { body: JSON.stringify({ ...before, reviewersNeeded }), changed_ms: Math.round(clock.wallMs()) };
  await trx.db
    .insertInto("review_policies")
    .values({ task, ...values, changed_by: `${caller.kind}:${caller.id}` })
    .onConflict((conflict) => conflict.column("task").doUpdateSet(values))
    .execute();
}

export async function removeFlow(parts: HubParts, caller: PersonCaller, arn: string): Promise<void> {
  await parts.database.write(async (trx) => {
    const known = await findFlow(trx, arn);
    if (!known || !isInReach(caller, known)) throw unknownFlow(arn);
    await trx.db.deleteFrom("a2i_flows").where("arn", "=", arn).execute();
    await parts.audit.record(trx, {
      ...{ actor: `${caller.kind}:${caller.id}`, action: "a2i_flow.removed", subject: `flow:${arn}` },
    });
  });
}

/** The flow definition of that ARN in the caller's reach. Errors: HP_NOT_FOUND. */
export async function flowOf(
  reader: HubReader,
  caller: Pick<PersonCaller, "stores" | "tasks">,
  arn: string,
): Promise<Flow> {
  const flow = await findFlow(reader, arn);
  if (!flow || !isInReach(caller, flow)) throw unknownFlow(arn);
  return flow;
}

async function findFlow({ db }: HubReader, arn: string): Promise<Flow | null> {
  const row = await db.selectFrom("a2i_flows").selectAll().where("arn", "=", arn).executeTakeFirst();
  return row
    ? { arn: row.arn, store: row.store, task: row.task, settings: JSON.parse(row.body) as FlowSettings }
    : null;
}

function unknownFlow(arn: string): HoldpointError {
  return new HoldpointError("HP_NOT_FOUND", `The flow definition ${arn} does not exist`);
}
