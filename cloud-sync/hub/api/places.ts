import { HoldpointError } from "../../../protocol/index.ts";

/** Spread by whoever is told: they come back between it and twice as much later. */
const retryAfterMs = 3_000;

/**
 * Places for the calls of one operation, from their headers to their answer. Whoever finds none is told to come back
 * before their body is read: to read, check and then refuse it would cost as much as to take it.
 */
export function createPlaces(placesMax: number): () => () => void {
  let taken = 0;
  /** Returns what gives the place back. Throws HP_BUSY. */
  return () => {
    if (taken >= placesMax) throw new HoldpointError("HP_BUSY", "too many of these calls at once", { retryAfterMs });
    taken += 1;
    return () => {
      taken -= 1;
    };
  };
}
