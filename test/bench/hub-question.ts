/** What the bench asks of the hub that it measures (bench-hub.node.ts), and what that one says. */
export interface HubBenchQuestion {
  readonly do: "look" | "close";
}

export interface HubBenchAnswer {
  readonly url: string;
  /** API token of an admin; empty where this was not the first start on its database. */
  readonly token: string;
  /** Of the process since its start, user and system. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}
