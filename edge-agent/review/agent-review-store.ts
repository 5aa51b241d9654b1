import {
  defaultReviewPolicy,
  transition,
  type ReviewPolicy,
  type ReviewTaskEffect,
  type ReviewTaskEvent,
  type ReviewTransition,
  type TakenReview,
} from "../../cloud-sync/review/review-machine.ts";
import { type Reviewer, type ReviewPicture, type ReviewStore } from "../../cloud-sync/review/review-store.ts";
import {
  HoldpointError,
  ok,
  refused,
  reviewLimits,
  type AnswerTaken,
  type Clock,
  type Decision,
  type HeldCases,
  type Input,
  type Logger,
  type Result,
  type ReviewCase,
  type ReviewNews,
  type Submit,
  type Timers,
} from "../../protocol/index.ts";
import { type Reviewed } from "../journal/journal.ts";
import { type CaseSource } from "./case-source.ts";
import { caseView, isSuggested, needsBytes } from "./case-view.ts";
import { createCaseQueue, type CaseQueue, type QueuedCase } from "./case-queue.ts";
import { pictureType } from "./picture-type.ts";
import { createNewsDesk, type NewsDesk } from "./news-desk.ts";

/**
 * The queue of one agent. The journal holds the truth; leases and undo windows live in memory only, so a crash in an
 * undo window returns the case to the queue and loses nothing that the device was told.
 */
export interface AgentReviewStoreOptions {
  readonly source: CaseSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly encodePng: (input: Extract<Input, { kind: "pixels" }>) => Promise<Uint8Array>;
  readonly policy?: Partial<ReviewPolicy>;
  /** Cases in memory at a time; the rest stays in the journal until there is room. */
  readonly casesMax?: number;
}

interface Room extends AgentReviewStoreOptions {
  readonly queue: CaseQueue;
  readonly desk: NewsDesk;
  readonly fullPolicy: ReviewPolicy;
  apply(entry: QueuedCase, event: ReviewTaskEvent): ReviewTransition["refusal"];
}

export async function createAgentReviewStore(options: AgentReviewStoreOptions): Promise<ReviewStore> {
  const { source, timers } = options;
  const fullPolicy = { ...defaultReviewPolicy, ...options.policy };
  const { undoWindowMs } = fullPolicy;
  const queue = createCaseQueue({ ...options, undoWindowMs, casesMax: options.casesMax ?? 1_000 });
  const desk = createNewsDesk(timers, () => queue.state());
  const room: Room = { ...options, queue, desk, fullPolicy, apply: (entry, event) => apply(room, entry, event) };
  queue.onOffered((entry) => {
    awaitDeadline(room, entry);
    desk.queueChanged();
  });
  const unsubscribe = [
    source.onRevision((decision) => onRevision(room, decision)),
    source.onDelivered((id) => {
      const entry = queue.find(id);
      if (entry?.reviewer && entry.state.kind === "closed") desk.tell(entry.reviewer.key, { kind: "delivered", id });
    }),
  ];
  await queue.refill();
  return {
    queue: () => Promise.resolve(queue.state()),
    next: (reviewer, count) => next(room, reviewer, count),
    heartbeat: (reviewer, id, generation) => Promise.resolve(heartbeat(room, reviewer, id, generation)),
    release: (reviewer, id, generation) => {
      const entry = queue.find(id);
      if (entry) room.apply(entry, { kind: "release", reviewer: reviewer.key, generation });
      return Promise.resolve();
    },
    submit: (reviewer, id, submit) => Promise.resolve(take(room, reviewer, id, submit)),
    undo: (reviewer, id, reviewId) => undo(room, reviewer, id, reviewId),
    picture: (reviewer, id) => picture(room, reviewer, id),
    labels: (task) => {
      const known = source.task(task);
      const unknown = (): Result<never> => refused("HP_UNKNOWN_TASK", `there is no task named ${task} here`);
      return Promise.resolve(known === null ? unknown() : ok(known.labels));
    },
    listen: (reviewer, listener) => desk.listen(reviewer.key, listener),
    close: () => close(room, unsubscribe),
  };
}

/** A timer may ring early, and one of weeks cannot be set at once. */
function awaitDeadline(room: Room, entry: QueuedCase): void {
  const leftMs = entry.dueAtMs - room.clock.monotonicMs();
  if (leftMs === Infinity) return;
  entry.cancelDeadline = room.timers.after(Math.min(Math.max(0, Math.ceil(leftMs)), timerMsMax), () => {
    if (room.clock.monotonicMs() < entry.dueAtMs) awaitDeadline(room, entry);
    else room.apply(entry, { kind: "deadline" });
  });
}

const timerMsMax = 86_400_000;

function apply(room: Room, entry: QueuedCase, event: ReviewTaskEvent): ReviewTransition["refusal"] {
  const before = entry.state.kind;
  const inputs = { nowMs: room.clock.monotonicMs(), dueAtMs: entry.dueAtMs, policy: room.fullPolicy };
  const { state, effects, refusal } = transition(entry.state, event, inputs);
  entry.state = state;
  for (const effect of effects) perform(room, entry, effect);
  if (state.kind !== before) {
    if (state.kind === "closed") room.queue.closed(entry);
    room.desk.queueChanged();
  }
  return refusal;
}

function perform(room: Room, entry: QueuedCase, effect: ReviewTaskEffect): void {
  const { clock, timers, desk, logger } = room;
  const after = (atMs: number, task: () => void): void => {
    entry.cancelTimer();
    entry.cancelTimer = timers.after(Math.max(0, atMs - clock.monotonicMs()), task);
  };
  switch (effect.kind) {
    case "sleep":
      entry.cancelTimer();
      break;
    case "wake":
      after(effect.atMs, () => room.apply(entry, { kind: effect.event }));
      break;
    case "commit":
      after(effect.atMs, () => void commit(room, entry, effect.review));
      break;
    case "label":
      send(room, entry, effect.review).catch((cause: unknown) => {
        // The decision stands already; a label that the journal cannot take now is not worth a queue of its own.
        logger.warn("review_label_lost", { id: entry.held.id, cause });
      });
      break;
    case "withdraw":
      desk.tell(effect.reviewer, { kind: "withdrawn", id: entry.held.id, why: effect.why });
      break;
  }
}

async function commit(room: Room, entry: QueuedCase, review: TakenReview): Promise<void> {
  const { id } = entry.held;
  let reviewed: Reviewed;
  try {
    reviewed = await send(room, entry, review);
  } catch (cause) {
    const error = HoldpointError.from(cause, "HP_JOURNAL");
    room.logger.warn("review_commit_failed", { id, code: error.code, cause });
    room.apply(entry, { kind: "commitFailed" });
    return;
  }
  room.apply(entry, { kind: "committed" });
  const news: ReviewNews =
    reviewed.kind === "unknown"
      ? { kind: "withdrawn", id, why: "settled" }
      : { kind: "final", id, label: reviewed.decision.answer?.label ?? null };
  room.desk.tell(review.reviewer, news);
}

function send(room: Room, entry: QueuedCase, review: TakenReview): Promise<Reviewed> {
  const { reviewId, answer, tookMs } = review;
  const reviewer = entry.reviewer?.name ?? "";
  return room.source.submitReview({ id: entry.held.id, reviewId, reviewer, answer, tookMs });
}

function onRevision(room: Room, decision: Decision): void {
  const entry = room.queue.find(decision.id);
  if (decision.status === "pending") {
    if (!entry) room.queue.noticed(decision.id);
    return;
  }
  if (decision.revision === 1 && decision.reasons.includes("audit")) {
    if (!entry) room.queue.noticed(decision.id);
    return;
  }
  // The echo of our own commit changes nothing: the machine is committing or closed then.
  // Most final decisions are a model's own and were never held; those are not worth remembering.
  if (!entry && decision.revision > 1) room.queue.settled(decision.id);
  if (entry && !entry.held.audit) room.apply(entry, { kind: "settledElsewhere" });
}

async function next(room: Room, reviewer: Reviewer, count: number): Promise<HeldCases> {
  const { queue } = room;
  const wanted = Math.min(count, reviewLimits.leasesPerReviewerMax);
  claimUpTo(room, reviewer, wanted);
  if (queue.heldBy(reviewer.key).length < wanted) {
    await queue.refill();
    claimUpTo(room, reviewer, wanted);
  }
  return heldCases(room, queue.heldBy(reviewer.key));
}

/** Choosing and claiming happen in one turn of the event loop: nobody can come between. */
function claimUpTo(room: Room, reviewer: Reviewer, wanted: number): void {
  for (let held = room.queue.heldBy(reviewer.key).length; held < wanted; held += 1) {
    const entry = room.queue.first();
    if (!entry || room.apply(entry, { kind: "claim", reviewer: reviewer.key }) !== null) return;
    entry.reviewer = reviewer;
  }
}

async function heldCases(room: Room, held: readonly QueuedCase[]): Promise<HeldCases> {
  const cases = await Promise.all(held.map((entry) => view(room, entry)));
  return { cases, queue: room.queue.state(), nowMs: room.clock.wallMs() };
}

async function view(room: Room, entry: QueuedCase): Promise<ReviewCase> {
  const { source, clock } = room;
  const { held } = entry;
  const input = needsBytes(held.request.input) && held.inputState === "kept" ? await source.input(held.id) : null;
  const toWallMs = clock.wallMs() - clock.monotonicMs();
  const { state } = entry;
  return caseView(held, {
    store: source.store,
    task: source.task(held.task),
    input,
    dueAtMs: entry.dueAtMs === Infinity ? null : Math.round(entry.dueAtMs + toWallMs),
    lease:
      state.kind === "leased"
        ? {
            reviewer: entry.reviewer?.name ?? "",
            generation: state.generation,
            expiresAtMs: Math.round(state.expiresAtMs + toWallMs),
          }
        : null,
  });
}

function heartbeat(room: Room, reviewer: Reviewer, id: string, generation: number): Result<{ expiresAtMs: number }> {
  const entry = room.queue.find(id);
  if (!entry) return unknownCase(id);
  const refusal = room.apply(entry, { kind: "heartbeat", reviewer: reviewer.key, generation });
  if (refusal !== null) return refused(refusal, refusalText[refusal]);
  return ok({ expiresAtMs: Math.round(room.clock.wallMs() + room.fullPolicy.leaseMs) });
}

function take(room: Room, reviewer: Reviewer, id: string, submit: Submit): Result<AnswerTaken> {
  const entry = room.queue.find(id);
  if (!entry) return unknownCase(id);
  const { reviewId, answer, generation, tookMs } = submit;
  if (answer.kind === "label" && !mayAnswer(room, entry, answer.label)) {
    return refused("HP_SCHEMA", `answer.label: ${JSON.stringify(answer.label)} is not a label of ${entry.held.task}`);
  }
  const review = { reviewId, reviewer: reviewer.key, answer, tookMs };
  const refusal = room.apply(entry, { kind: "submit", generation, review });
  if (refusal !== null) return refused(refusal, refusalText[refusal]);
  const nowMs = room.clock.wallMs();
  const leftMs = entry.state.kind === "answered" ? entry.state.undoUntilMs - room.clock.monotonicMs() : 0;
  return ok({ id, reviewId, undoUntilMs: Math.round(nowMs + leftMs), nowMs });
}

/** A task without a list of labels takes any; otherwise a typing error must not become a decision. */
function mayAnswer(room: Room, entry: QueuedCase, label: string): boolean {
  const labels = room.source.task(entry.held.task)?.labels ?? [];
  return labels.length === 0 || labels.includes(label) || isSuggested(entry.held, label);
}

async function undo(room: Room, reviewer: Reviewer, id: string, reviewId: string): Promise<Result<HeldCases>> {
  const entry = room.queue.find(id);
  if (!entry) return unknownCase(id);
  const refusal = room.apply(entry, { kind: "undo", reviewer: reviewer.key, reviewId });
  if (refusal === "HP_SETTLED") return refused(refusal, "the answer has left for the device");
  if (refusal !== null) return refused(refusal, refusalText[refusal]);
  const others = room.queue.heldBy(reviewer.key).filter((other) => other !== entry);
  return ok(await heldCases(room, [entry, ...others]));
}

async function picture(room: Room, reviewer: Reviewer, id: string): Promise<Result<ReviewPicture | null>> {
  const entry = room.queue.find(id);
  if (!entry) return unknownCase(id);
  if (entry.reviewer?.key !== reviewer.key || entry.state.kind === "closed" || entry.state.kind === "waiting") {
    return refused("HP_LEASE_LOST", refusalText.HP_LEASE_LOST);
  }
  const input = await room.source.input(id);
  if (input?.kind === "pixels") return ok({ contentType: "image/png", bytes: await room.encodePng(input) });
  if (input?.kind !== "image") return ok(null);
  // What the bytes are, not what the device called them: the browser must never guess.
  const contentType = pictureType(input.data);
  return ok(contentType === null ? null : { contentType, bytes: input.data });
}

/** Answers that are on their way are committed: whoever gave them saw them taken. */
async function close(room: Room, unsubscribe: readonly (() => void)[]): Promise<void> {
  // No news from here on: our own commits must not come back as somebody else's.
  for (const cancel of unsubscribe) cancel();
  const commits: Promise<unknown>[] = [];
  for (const entry of room.queue.all()) {
    entry.cancelDeadline();
    entry.cancelTimer();
    const { state } = entry;
    if (state.kind === "answered" || state.kind === "committing") commits.push(send(room, entry, state.review));
  }
  await Promise.allSettled(commits);
  room.queue.close();
  room.desk.close();
}

const refusalText = {
  HP_LEASE_LOST: "this case is not yours any more",
  HP_SETTLED: "this case is closed",
} as const;

function unknownCase(id: string): Result<never> {
  return refused("HP_NOT_FOUND", `there is no case ${id} in the queue`);
}
