import type { HubEventType } from "../webhooks/hub-event.ts";
import type { Delivery, DeliveryState } from "./settings-api.web.ts";
import { durationText } from "./words.ts";

/** When the hub tells each event. */
const eventTexts: Readonly<Record<HubEventType, string>> = {
  "case.opened": "a case waits for people",
  "case.final": "a case is decided",
  "case.erased": "a case is erased",
  "agent.enrolled": "a box is enrolled",
  "agent.offline": "a box is not heard of",
  "agent.online": "a box is heard of again",
  "agent.revoked": "a box is shut out",
  "agent.cloned": "two boxes have one key",
  "config.changed": "a layer is changed",
  "gate.certified": "a certificate is issued",
  "gate.raised": "a gate is raised by hand",
  "gate.alarm": "too many accepts are wrong",
  "gate.lapsed": "no fresh labels have come",
  "gate.restarted": "what it speaks of has changed",
  "gate.proposed": "a change is proposed",
  "gate.applied": "a proposal is put in force",
};

/** For a list of them to choose from: the name, which programs see, and when it comes. */
export const eventOptions: readonly (readonly [HubEventType, string])[] = (
  Object.entries(eventTexts) as (readonly [HubEventType, string])[]
).map(([name, when]) => [name, `${name}: ${when}`]);

export const deliveryWords: Readonly<
  Record<DeliveryState, { readonly text: string; readonly tone: "good" | "bad" | "" }>
> = {
  waiting: { text: "waiting", tone: "" },
  sent: { text: "sent", tone: "good" },
  dead: { text: "dead letter", tone: "bad" },
};

/** When the next attempt is, of a delivery that waits. */
export function nextText({ dueMs }: Pick<Delivery, "dueMs">, nowMs: number): string {
  if (dueMs === null) return "";
  return dueMs <= nowMs ? "next one now" : `next one in ${durationText(dueMs - nowMs)}`;
}

/** What the receiver said last. */
export function answerText({ lastStatus, lastError }: Pick<Delivery, "lastStatus" | "lastError">): string {
  return [lastStatus, lastError].filter((one) => one !== null).join(": ");
}
