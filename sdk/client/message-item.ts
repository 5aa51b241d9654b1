import {
  bodyDigest,
  encodeMessage,
  HoldpointError,
  newId,
  parseObservedEvent,
  parseOutcome,
  parseRequest,
  universalHasher,
  type Clock,
  type Encoding,
  type Input,
  type ObservedEvent,
  type Outcome,
  type ParseResult,
  type Random,
} from "../../protocol/index.ts";
import { type DecideOptions } from "../decider-port.ts";
import { type ObserveOptions } from "./client-port.ts";
import { type OutboxItem, type OutboxKind } from "./outbox.ts";

/** Makes the messages of a client: complete, checked as the agent will check them, encoded once for every send. */
export interface MessageSource {
  readonly clock: Clock;
  readonly random: Random;
  readonly encoding: Encoding;
}

/** Errors: HP_SCHEMA, HP_NOT_FINITE, HP_TOO_LARGE. */
export function requestItem(source: MessageSource, task: string, input: Input, options: DecideOptions): OutboxItem {
  const { context, deadlineMs } = options;
  const id = options.id ?? newId(source.clock, source.random);
  const request = {
    v: 1,
    id,
    task,
    at: options.at ?? wallMs(source.clock),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    input,
    ...(context === undefined ? {} : { context }),
  };
  return item(source, "request", `request/${id}`, id, request, parseRequest);
}

/** Errors: HP_SCHEMA, HP_NOT_FINITE. */
export function outcomeItem(
  source: MessageSource,
  outcome: Omit<Outcome, "at"> & { readonly at?: number },
): OutboxItem {
  const message = { ...outcome, at: outcome.at ?? wallMs(source.clock) };
  const key = `outcome/${outcome.id}/${newId(source.clock, source.random)}`;
  return item(source, "outcome", key, outcome.id, message, parseOutcome);
}

/** Errors: HP_SCHEMA, HP_NOT_FINITE. */
export function eventItem(
  source: MessageSource,
  entity: string,
  values: ObservedEvent["values"],
  options: ObserveOptions,
): OutboxItem {
  const id = options.id ?? newId(source.clock, source.random);
  const event = { v: 1, id, entity, at: options.at ?? wallMs(source.clock), values };
  return item(source, "event", `event/${id}`, id, event, parseObservedEvent);
}

/** Whether two encoded requests ask the same (design 2.1): `at`, `deadlineMs` and the encoding do not count. */
export function isSameQuestion(one: Uint8Array, other: Uint8Array): boolean {
  const [first, second] = [parseRequest(one), parseRequest(other)];
  if (!first.ok || !second.ok) return false;
  const digest = bodyDigest(universalHasher, first.value);
  return bodyDigest(universalHasher, second.value).every((byte, i) => byte === digest[i]);
}

function item<T>(
  source: MessageSource,
  kind: OutboxKind,
  key: string,
  id: string,
  message: unknown,
  parse: (bytes: Uint8Array) => ParseResult<T>,
): OutboxItem {
  // A copy: the encoder's buffer is shared with other messages and would be kept whole for as long as this one waits.
  // (`slice` is a view where the encoder's bytes are Node's Buffer.)
  const bytes = new Uint8Array(encode(message, source.encoding));
  const parsed = parse(bytes);
  if (!parsed.ok) throw parsed.error;
  return Object.freeze({ key, kind, id, bytes });
}

function encode(message: unknown, encoding: Encoding): Uint8Array {
  try {
    return encodeMessage(message, encoding);
  } catch (cause) {
    throw new HoldpointError("HP_SCHEMA", "the message cannot be encoded", { cause });
  }
}

function wallMs(clock: Clock): number {
  return Math.max(0, Math.floor(clock.wallMs()));
}
