import {
  blobReplySchema,
  encodeMessage,
  hubLimits,
  ingestReplySchema,
  RecentMap,
  type Cancel,
  type HoldpointError,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import {
  defaultForwarderPace,
  forward,
  isDelivered,
  startForwarder,
  type ForwarderEffect,
  type ForwarderEvent,
  type ForwarderPace,
  type ForwarderState,
  type OwedPicture,
} from "./forwarder-machine.ts";
import { type HubAnswer, type HubCall, type HubExchange } from "./hub-port.ts";
import { nextBatch } from "./ingest-batch.ts";
import { type CaseBriefs, type OutboxSource, type PreparedPicture } from "./outbox-port.ts";

export interface ForwarderOptions {
  readonly exchange: HubExchange;
  readonly outbox: OutboxSource;
  readonly briefs: CaseBriefs;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly pace?: Partial<ForwarderPace>;
  /** Told after every change of what is delivered. */
  readonly onChange?: () => void;
}

export interface RunningForwarder {
  /** The hub has every row that was written, and every picture that it wants. */
  isDelivered(): boolean;
  readonly watermark: number;
  /** Pictures that the hub still wants. */
  readonly owedPictures: number;
  /** The hub has rows that this journal has not: it was put back from a copy, and nothing is sent. */
  readonly isBehind: boolean;
  readonly refusedRows: number;
  readonly droppedPictures: number;
  /** Tries at once what waits for another try: the hub is known to be there. */
  wake(): void;
  /** Gives up the call that is under way, and resolves when nothing is. */
  close(): Promise<void>;
}

/** Pictures that were just made ready, for the parts that come next. */
const preparedMax = 4;

/**
 * Hands the outbox over to the hub, for as long as it takes. Nothing is kept but in the journal: started again at any
 * point, it goes on, and what the hub has already it takes again without harm.
 */
export function startForwarding(options: ForwarderOptions): RunningForwarder {
  return new Forwarder(options);
}

class Forwarder implements RunningForwarder {
  refusedRows = 0;
  droppedPictures = 0;
  readonly #options: ForwarderOptions;
  readonly #pace: ForwarderPace;
  readonly #prepared = new RecentMap<string, PreparedPicture>(preparedMax);
  readonly #giveUp = new AbortController();
  readonly #stopListening: Cancel;
  #state: ForwarderState;
  #cancelRest: Cancel = () => undefined;
  #underWay: Promise<unknown> = Promise.resolve();
  /** Rows were written since the journal was last asked for them: that it had none says nothing any more. */
  #isWrittenSince = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#pace = { ...defaultForwarderPace, ...options.pace };
    this.#state = startForwarder(this.#pace);
    this.#stopListening = options.outbox.onWritten(() => {
      this.#isWrittenSince = true;
      if (this.#state.phase === "drained") this.#dispatch({ kind: "written" });
    });
    this.#dispatch({ kind: "start" });
  }

  isDelivered(): boolean {
    return isDelivered(this.#state, this.#options.outbox.lastSeq());
  }

  get watermark(): number {
    return this.#state.watermark;
  }

  get owedPictures(): number {
    return this.#state.owed.length;
  }

  get isBehind(): boolean {
    return this.#state.isBehind;
  }

  wake(): void {
    if (this.#state.phase !== "resting") return;
    this.#cancelRest();
    this.#dispatch({ kind: "rang" });
  }

  async close(): Promise<void> {
    this.#stopListening();
    this.#cancelRest();
    this.#dispatch({ kind: "stop" });
    this.#giveUp.abort();
    await this.#underWay;
  }

  #dispatch(event: ForwarderEvent): void {
    const inputs = { uniform: this.#options.random.uniform(), pace: this.#pace };
    const { state, effects } = forward(this.#state, event, inputs);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    if (event.kind === "nothing" && state.phase === "drained" && this.#isWrittenSince) {
      this.#dispatch({ kind: "written" });
      return;
    }
    this.#options.onChange?.();
  }

  #perform(effect: ForwarderEffect): void {
    const { timers, logger } = this.#options;
    switch (effect.kind) {
      case "send":
        this.#run(() => this.#send(effect.after, effect.callBytesMax));
        return;
      case "upload":
        this.#run(() => this.#upload(effect.picture, effect.partBytesMax));
        return;
      case "mark":
        // A mark that is lost (a full disk) is made by the next one; until then the rows are sent once more.
        this.#options.outbox.forwarded(effect.watermark).catch((cause: unknown) => {
          logger.warn("outbox_not_marked", { watermark: effect.watermark, cause });
        });
        return;
      case "rest":
        this.#cancelRest = timers.after(effect.delayMs, () => this.#dispatch({ kind: "rang" }));
        return;
      case "alarm":
        logger.error("journal_behind_hub", { epoch: this.#options.outbox.epoch });
    }
  }

  /** Whatever the journal or the redaction throws is a failure like the network's: tried again, and nothing is lost. */
  #run(work: () => Promise<ForwarderEvent>): void {
    this.#underWay = work()
      .catch((cause: unknown): ForwarderEvent => {
        this.#options.logger.warn("forwarding_failed", { cause });
        return { kind: "failed", retryAfterMs: null, isTooLarge: false, isSlow: false };
      })
      .then((event) => this.#dispatch(event))
      .catch((cause: unknown) => this.#options.logger.error("forwarder_stopped", { cause }));
  }

  async #send(after: number, callBytesMax: number): Promise<ForwarderEvent> {
    const { outbox, briefs, logger } = this.#options;
    this.#isWrittenSince = false;
    const batch = await nextBatch(outbox, briefs, after, callBytesMax);
    if (!batch) return { kind: "nothing" };
    const { request, announced } = batch;
    const answer = await this.#call({
      name: "ingest",
      method: "POST",
      path: "/v1/ingest",
      body: { bytes: encodeMessage(request, "msgpack"), contentType: "application/msgpack" },
      reply: ingestReplySchema,
      deadlineMs: sendMs(callBytesMax),
    });
    if (!answer.ok) return failure(answer.error);
    const { watermark, refused, wanted } = answer.value;
    for (const { seq, code, message } of refused) logger.warn("row_refused", { seq, code, message });
    this.refusedRows += refused.length;
    const owed = wanted.flatMap(({ id, sha256, offset }) => {
      const seq = announced.get(id);
      return seq === undefined ? [] : [{ seq, id, sha256, offset, isAgain: false }];
    });
    return { kind: "taken", watermark, wanted: owed, lastSeq: outbox.lastSeq() };
  }

  async #upload(owed: OwedPicture, partBytesMax: number): Promise<ForwarderEvent> {
    const picture = await this.#picture(owed);
    if (!picture) return this.#drop(owed, "the picture that was announced is not here any more");
    const { bytes, sha256 } = picture;
    const end = Math.min(bytes.byteLength, owed.offset + Math.min(partBytesMax, hubLimits.blobPartBytesMax));
    const part = bytes.subarray(owed.offset, end);
    const answer = await this.#call({
      name: "blob",
      method: "PUT",
      path: `/v1/blobs/${owed.id}/${sha256}`,
      headers: { "content-range": `bytes ${owed.offset}-${end - 1}/${bytes.byteLength}` },
      body: { bytes: part, contentType: "application/octet-stream" },
      reply: blobReplySchema,
      deadlineMs: sendMs(part.byteLength),
    });
    if (answer.ok) return { kind: "part", offset: answer.value.offset, isComplete: answer.value.complete };
    const { error } = answer;
    if (error.code === "HP_SCHEMA") return owed.isAgain ? this.#drop(owed, error.message) : { kind: "spoiled" };
    if (error.code === "HP_NOT_FOUND") return this.#drop(owed, error.message);
    return failure(error);
  }

  #call<T>(call: HubCall<T>): Promise<HubAnswer<T>> {
    return this.#options.exchange.call(call, this.#giveUp.signal);
  }

  async #picture({ id, sha256 }: OwedPicture): Promise<PreparedPicture | null> {
    const known = this.#prepared.get(id);
    if (known?.sha256 === sha256) return known;
    const picture = (await this.#options.briefs.prepare(id))?.picture ?? null;
    if (picture?.sha256 !== sha256) return null;
    this.#prepared.set(id, picture);
    return picture;
  }

  #drop({ id, sha256 }: OwedPicture, why: string): ForwarderEvent {
    this.droppedPictures += 1;
    this.#options.logger.warn("picture_not_sent", { id, sha256, why });
    return { kind: "dropped" };
  }
}

function failure({ code, retryAfterMs }: HoldpointError): ForwarderEvent {
  const why = { isTooLarge: code === "HP_TOO_LARGE", isSlow: code === "HP_TIMEOUT" };
  return { kind: "failed", retryAfterMs: retryAfterMs ?? null, ...why };
}

/** Half a minute, and what a slow line (32 KB/s) takes for that much. */
function sendMs(bytes: number): number {
  return 30_000 + Math.ceil(bytes / 32);
}
