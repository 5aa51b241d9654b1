/** What a bench asks the process that holds a journal (bench-journal.node.ts), and what it tells. */
export type JournalQuestion =
  { readonly do: "fill"; readonly cases: number } | { readonly do: "commit"; readonly cases: number } | { do: "close" };

export interface JournalAnswer {
  /** Chain records in the journal: one a case whose decision came with it, else two. */
  readonly records: number;
  readonly tookMs: number;
  /** Of one case, from the call to its commit. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssBytes: number;
}
