import { v7 } from "uuid";
import { type Clock, type Random } from "./ports.ts";

/** A UUID in canonical lower-case text. Holdpoint makes version 7, whose order is the order of making. */
export const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Name of a store, device, agent or task: it becomes part of a topic and of a file name. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Names that a device may not carry, because the topics below them belong to the agents. */
export const reservedDeviceNames: ReadonlySet<string> = new Set(["agents"]);

/** Makes a UUIDv7 (RFC 9562) from the given clock and randomness. */
export function newId(clock: Clock, random: Random): string {
  return v7({ msecs: Math.max(0, Math.floor(clock.wallMs())), random: random.bytes(16) });
}
