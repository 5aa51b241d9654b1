import { z } from "zod";
import { decodeMessage, encodeMessage, namePattern } from "../../protocol/index.ts";

/**
 * The log of claims: one topic a lease, `holdpoint/v1/<store>/agents/leases/<key>`. A broker hands the messages of a
 * topic to all its subscribers in one order, and that order is all that the agents agree by (lease-machine.ts).
 */
const leaseMessageSchema = z.strictObject({
  v: z.literal(1),
  /** ask: "I am about to claim"; it changes nothing, and a claim is measured from it. */
  kind: z.enum(["ask", "claim", "renew", "release"]),
  agent: z.string().regex(namePattern),
  /** Unique for ever: how an agent knows its own message when it comes back. */
  id: z.string().min(1).max(100),
  /** Grows with every change of hands. */
  generation: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  /** Of a claim: the `ask` of the same agent that it rests on. */
  after: z.string().min(1).max(100).nullable(),
  /** Leases that the agent has: one that has many more gives some to one that asks. */
  load: z.number().int().min(0),
  /** How long a claim or a renewal holds, milliseconds from its sending. */
  holdsMs: z.number().int().min(0).max(600_000),
});
export type LeaseMessage = z.infer<typeof leaseMessageSchema>;

export function encodeLease(message: LeaseMessage): Uint8Array {
  return encodeMessage(message, "json");
}

/** Null for what no agent of this version wrote. */
export function parseLease(bytes: Uint8Array): LeaseMessage | null {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return null;
  const parsed = leaseMessageSchema.safeParse(decoded.value.value);
  return parsed.success ? parsed.data : null;
}

export function leasePrefix(store: string): string {
  return `holdpoint/v1/${store}/agents/leases/`;
}

/** Entities share this many leases: an agent keeps one for each share of them, however many customers a store has. */
const entityShares = 64;

export function deviceKey(device: string): string {
  return `device.${device}`;
}

/** FNV-1a over UTF-16 code units: every agent must put an entity into the same share. */
export function entityKey(entity: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < entity.length; at += 1) hash = Math.imul(hash ^ entity.charCodeAt(at), 0x01000193) >>> 0;
  return `entities.${hash % entityShares}`;
}

/** The device of a device's lease, or null. */
export function deviceOfKey(key: string): string | null {
  return key.startsWith("device.") ? key.slice("device.".length) : null;
}

const entitiesPattern = /^entities\.\d{1,2}$/;

export function isLeaseKey(key: string): boolean {
  const device = deviceOfKey(key);
  return device === null ? entitiesPattern.test(key) : namePattern.test(device);
}
