import { setTimeout as sleep } from "node:timers/promises";
import { HoldpointError, newId } from "../../../protocol/index.ts";
import { systemClock, systemRandom } from "../../../protocol/platform/clock.node.ts";
import { connect, type Client } from "../../../sdk/index.ts";
import { type DemoPicture } from "./pictures.node.ts";
import { type Tally } from "./tally.ts";

/** Where a simulated device stands in the drawn store. */
export interface DemoDevice {
  readonly name: string;
  readonly secret: string;
  readonly context: (turn: number) => Readonly<Record<string, string | number>>;
}

export interface DemoFleetOptions {
  readonly url: string;
  readonly store: string;
  readonly devices: readonly DemoDevice[];
  readonly pictures: readonly DemoPicture[];
  /** Requests a second of each device. */
  readonly perSecond: number;
  readonly tally: Tally;
}

/** Requests that one device has open at most: a camera that is not answered does not pile up pictures. */
const openMax = 32;

/** Three devices of one store: two cameras over shelves and a till. */
export const demoPlaces: readonly Omit<DemoDevice, "secret">[] = [
  {
    name: "camera-1",
    context: (turn) => ({ camera: "aisle-3", shelf: `C${1 + (turn % 4)}`, basket: basketOf(turn, 17) }),
  },
  {
    name: "camera-2",
    context: (turn) => ({ camera: "aisle-5", shelf: `F${1 + (turn % 3)}`, basket: basketOf(turn, 40) }),
  },
  { name: "till-1", context: (turn) => ({ till: "till-1", basket: basketOf(turn, 71) }) },
];

function basketOf(turn: number, first: number): string {
  return `b-${first + Math.floor(turn / 6)}`;
}

/** Devices that send pictures until they are stopped. */
export class DemoFleet {
  readonly #options: DemoFleetOptions;
  readonly #clients: readonly Client[];
  readonly #stop = new AbortController();
  #runs: readonly Promise<void>[] = [];

  constructor(options: DemoFleetOptions) {
    const { url, store, tally } = options;
    this.#options = options;
    this.#clients = options.devices.map(({ name, secret }) => {
      const client = connect({ url, store, device: name, secret, onTimeout: "wait" });
      client.on("revision", (decision) => tally.revision(decision, systemClock.monotonicMs()));
      return client;
    });
  }

  start(): void {
    this.#runs = this.#options.devices.map((device, i) => this.#run(device, this.#clients[i] as Client, i));
  }

  /** Stops sending and waits up to `graceMs` for what is open. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#runs);
    const endMs = systemClock.monotonicMs() + graceMs;
    while (this.#options.tally.outstanding > 0 && systemClock.monotonicMs() < endMs) await sleep(20);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  async #run(device: DemoDevice, client: Client, offset: number): Promise<void> {
    const { pictures, perSecond, tally } = this.#options;
    const periodMs = 1000 / perSecond;
    let open = 0;
    for (let turn = 0; !this.#stop.signal.aborted; turn += 1) {
      const picture = pictures[(turn * this.#clients.length + offset) % pictures.length];
      if (picture && open < openMax) {
        open += 1;
        void this.#ask(device, client, picture, turn, tally).finally(() => (open -= 1));
      }
      await sleep(periodMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  async #ask(device: DemoDevice, client: Client, picture: DemoPicture, turn: number, tally: Tally): Promise<void> {
    const id = newId(systemClock, systemRandom);
    tally.sent(id, systemClock.monotonicMs());
    try {
      await client.decide("product_identification", picture.input, { id, context: device.context(turn) });
    } catch (cause) {
      const code = cause instanceof HoldpointError ? cause.code : null;
      // Closed or not answered in time is no refusal: it counts as lost if the answer never comes.
      if (code !== "HP_CLOSED" && code !== "HP_TIMEOUT") tally.refused(id);
    }
  }
}
