/**
 * Acknowledgements of one connection leave in the order in which its messages came (MQTT-4.6.0-2), whatever order the
 * commits end in. A withheld one leaves the line: it is never acknowledged on this connection, and must not hold up
 * those behind it.
 */
export class AckOrder {
  readonly #line: Turn[] = [];
  #withheld = 0;

  /** Messages read and not acknowledged, the withheld ones included. */
  get open(): number {
    return this.#line.length + this.#withheld;
  }

  take(acknowledge: () => void): Turn {
    const turn = new Turn(acknowledge, (withheld) => {
      if (withheld) this.#withheld += 1;
      this.#advance();
    });
    this.#line.push(turn);
    return turn;
  }

  #advance(): void {
    for (;;) {
      const [first] = this.#line;
      if (first === undefined || first.state === "waiting") return;
      this.#line.shift();
      if (first.state === "done") first.acknowledge();
    }
  }
}

export class Turn {
  readonly acknowledge: () => void;
  readonly #settled: (withheld: boolean) => void;
  state: "waiting" | "done" | "withheld" = "waiting";

  constructor(acknowledge: () => void, settled: (withheld: boolean) => void) {
    this.acknowledge = acknowledge;
    this.#settled = settled;
  }

  done(): void {
    if (this.state !== "waiting") return;
    this.state = "done";
    this.#settled(false);
  }

  withhold(): void {
    if (this.state !== "waiting") return;
    this.state = "withheld";
    this.#settled(true);
  }
}
