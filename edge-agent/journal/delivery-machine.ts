/**
 * One revision on its way to its device. The row is written in the commit of the revision and goes when the device's
 * PUBACK came, so a crash may send a revision twice and never leaves one out (design 5.2).
 */

export type DeliveryState = "none" | "waiting" | "cleared";

/** revised: a revision of a case that came by MQTT. polled: of a case whose device asks for it (HTTP, embedded). */
export type DeliveryEvent = "revised" | "polled" | "acknowledged" | "pruned";

export interface DeliveryStep {
  readonly state: DeliveryState;
  readonly effect: "insert" | "delete" | null;
}

function stay(state: DeliveryState): DeliveryStep {
  return { state, effect: null };
}

const deliveryTransitions: Readonly<Record<DeliveryState, Readonly<Record<DeliveryEvent, DeliveryStep>>>> = {
  none: {
    revised: { state: "waiting", effect: "insert" },
    polled: stay("none"),
    // An acknowledgement of something that was never sent from here: a device may say anything.
    acknowledged: stay("none"),
    pruned: stay("none"),
  },
  waiting: {
    revised: stay("waiting"),
    polled: stay("waiting"),
    acknowledged: { state: "cleared", effect: "delete" },
    pruned: { state: "cleared", effect: "delete" },
  },
  cleared: {
    revised: stay("cleared"),
    polled: stay("cleared"),
    acknowledged: stay("cleared"),
    pruned: stay("cleared"),
  },
};

export function deliveryTransition(state: DeliveryState, event: DeliveryEvent): DeliveryStep {
  return deliveryTransitions[state][event];
}
