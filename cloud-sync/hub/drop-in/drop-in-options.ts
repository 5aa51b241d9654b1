import { type ImportParts } from "../cases/import-case.ts";

/** What systems that people have already speak to, with the hub's reviewers behind it. */
export interface DropInOptions extends ImportParts {
  /** Where others reach this hub: `https://hub.example`; null: as the call itself says. */
  readonly publicUrl: string | null;
}
