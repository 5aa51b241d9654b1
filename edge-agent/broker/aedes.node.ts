import type { Aedes, Client, PublishPacket } from "aedes";
import { HoldpointError } from "../../protocol/index.ts";
import { Connection } from "./connection.node.ts";

/** What this broker knows of aedes beyond its documentation. Owner of aedes, with the door that hands it its hooks. */

/** Errors: HP_RUNTIME_MISSING where the package is not installed. */
export async function importAedes(): Promise<{ Aedes: typeof Aedes }> {
  try {
    return await import("aedes");
  } catch (cause) {
    const hint = "Install it beside holdpoint: npm install aedes@^1.2.0";
    throw new HoldpointError("HP_RUNTIME_MISSING", "the embedded broker needs the package aedes", { hint, cause });
  }
}

/**
 * A device's message ends in the journal: nobody subscribes to it, so it is not handed on. aedes' own `$SYS` traffic
 * is for clusters; here it would only wake every connection.
 */
export function interceptPublish(aedes: Aedes): void {
  const publish = aedes.publish.bind(aedes);
  type Done = (error?: Error) => void;
  const intercepted = (packet: PublishPacket, clientOrDone?: Client | Done | null, done?: Done): void => {
    if (typeof clientOrDone !== "function") {
      done?.();
      return;
    }
    if (packet.topic.startsWith("$SYS/")) clientOrDone();
    else publish(packet, clientOrDone);
  };
  aedes.publish = intercepted;
}

export function connectionOf(client: Client): Connection | null {
  return client.conn instanceof Connection ? client.conn : null;
}

/** aedes keeps the subscriptions of a client by filter; its types do not say so. */
export function restoredSubscriptions(client: Client): { topic: string; qos: number }[] {
  const { subscriptions } = client as unknown as { subscriptions: Readonly<Record<string, { qos: number }>> };
  return Object.entries(subscriptions).map(([topic, { qos }]) => ({ topic, qos }));
}

/** What of a PUBLISH breaks the protocol and the parser lets through, or null. */
export function brokenBy(packet: PublishPacket & { readonly messageId?: number }): string | null {
  // MQTT-2.3.1-1.
  if (packet.qos > 0 && packet.messageId === 0) return "a PUBLISH without a packet id";
  // MQTT-1.5.3-1 and MQTT-1.5.3-2; the parser has made U+FFFD of what is not UTF-8.
  return packet.topic.includes("\0") || packet.topic.includes("\uFFFD") ? "a topic that is not UTF-8" : null;
}
