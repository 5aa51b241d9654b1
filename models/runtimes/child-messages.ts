import { type Manifest } from "../manifest.ts";
import { type PackedInputs } from "./input-pack.ts";
import { type BatchAnswer } from "./loaded-model.ts";
import { type Downgrade, type ProviderName } from "./runtime.ts";

/** What the host and its child say to each other: one message per batch each way, bytes as bytes (structured clone). */

export interface ModelOrder {
  readonly file: string;
  readonly manifest: Manifest;
  readonly batchWanted: number;
  readonly batchProven: number | null;
}

export type ToChild =
  | {
      readonly kind: "load";
      /** null: a model that ended the child while it was loaded, left out since. */
      readonly models: readonly (ModelOrder | null)[];
      readonly providers: readonly ProviderName[];
      readonly intraOpThreads: number;
    }
  | { readonly kind: "run"; readonly batch: number; readonly model: number; readonly inputs: PackedInputs }
  | { readonly kind: "ping" }
  | { readonly kind: "close" };

export type ModelReport =
  | {
      readonly ok: true;
      readonly provider: string;
      readonly runtime: string;
      readonly batchMax: number;
      readonly downgrades: readonly Downgrade[];
    }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint: string };

export type FromChild =
  /** Said before each model: a child that then dies, died of it. */
  | { readonly kind: "loading"; readonly model: number }
  | { readonly kind: "loaded"; readonly models: readonly ModelReport[] }
  | { readonly kind: "answer"; readonly batch: number; readonly answer: BatchAnswer }
  | { readonly kind: "pong"; readonly rssBytes: number };
