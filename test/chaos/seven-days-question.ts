/** What the process of `seven-days` with the journal is asked, and what it answers. */

export type WeekQuestion =
  /** Decides so many cases at once, one for each byte that its picture is filled with; then time passes. */
  | {
      readonly do: "decide";
      readonly fills: readonly number[];
      readonly people: readonly boolean[];
      readonly ms: number;
    }
  | { readonly do: "find"; readonly ids: readonly string[] }
  | { readonly do: "verify" };

export interface WeekDecided {
  readonly ids: readonly string[];
  readonly inputBytes: number;
  /** Resident memory of the process. */
  readonly rssBytes: number;
}

/** Of each id its input's state and its own, or null where the journal does not know it. */
export type WeekFound = readonly ({ readonly input: string; readonly state: string } | null)[];

export interface WeekVerified {
  readonly intact: boolean;
  readonly records: number;
  readonly fault: string | null;
}
