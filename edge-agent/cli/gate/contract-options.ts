import { type Command } from "commander";
import { type ErrorContract } from "../../../models/measure/certify.ts";
import { type DecisionCosts } from "../../../models/measure/decision-costs.ts";
import { HoldpointError } from "../../../protocol/index.ts";

/** Options of the commands that read a file of scores, as they are typed. */
export interface ScoreFlags {
  readonly scores?: string;
  readonly maxError?: string;
  readonly delta: string;
  readonly by?: string;
  readonly json?: boolean;
  readonly html?: string;
  readonly reviewCost?: string;
  readonly wrongAcceptCost?: string;
  readonly currency?: string;
}

/** What a review and a wrong accept cost. */
export interface ReportCosts extends DecisionCosts {
  /** ISO 4217. */
  readonly currency: string;
}

/** The options of a report in money. */
export function withCosts(command: Command): Command {
  return command
    .option("--review-cost <amount>", "with --html: what one look by a person costs, for a report in money")
    .option("--wrong-accept-cost <amount>", "with --html: what one wrong decision costs that was accepted")
    .option("--currency <code>", "with --html: currency of both, for instance EUR");
}

/** The costs that were typed; null where none were. Throws HP_USAGE where they are no amounts, or one of the three lacks. */
export function costsOf({ reviewCost, wrongAcceptCost, currency }: ScoreFlags): ReportCosts | null {
  if (reviewCost === undefined && wrongAcceptCost === undefined && currency === undefined) return null;
  if (reviewCost === undefined || wrongAcceptCost === undefined || currency === undefined) {
    throw new HoldpointError("HP_USAGE", "--review-cost, --wrong-accept-cost and --currency go together", {
      hint: "For instance: --review-cost 0.40 --wrong-accept-cost 5 --currency EUR",
    });
  }
  if (!/^[A-Z]{3}$/.test(currency)) {
    throw new HoldpointError("HP_USAGE", `--currency must be a code of three capitals, got ${currency}`);
  }
  const amount = (option: string, text: string): number => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (value >= 0 && value <= costMax) return value;
    throw new HoldpointError("HP_USAGE", `${option} must be an amount from 0 to ${costMax}, got ${text}`);
  };
  return {
    review: amount("--review-cost", reviewCost),
    wrongAccept: amount("--wrong-accept-cost", wrongAcceptCost),
    currency,
  };
}

const costMax = 1e9;

/** The contract that was typed. Throws HP_USAGE for shares outside (0, 1): they promise nothing, or what nobody can keep. */
export function contractOf({ maxError, delta }: Pick<ScoreFlags, "maxError" | "delta">): ErrorContract {
  if (maxError === undefined) {
    throw new HoldpointError("HP_USAGE", "--max-error is missing", { hint: "For 1 % wrong: --max-error 0.01" });
  }
  return { maxError: shareInside("--max-error", maxError), delta: shareInside("--delta", delta) };
}

export function scoresFile({ scores }: ScoreFlags): string {
  if (scores !== undefined) return scores;
  throw new HoldpointError("HP_USAGE", "--scores is missing", { hint: "Name a CSV file, or - for stdin." });
}

/** The columns of `--by store,task`. */
export function byColumns({ by }: ScoreFlags): readonly string[] {
  if (by === undefined) return [];
  const names = by.split(",").map((name) => name.trim());
  if (names.includes("")) throw new HoldpointError("HP_USAGE", `--by ${by} names an empty column`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new HoldpointError("HP_USAGE", `--by names ${twice} twice`);
  return names;
}

export function shareInside(option: string, text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (value > 0 && value < 1) return value;
  throw new HoldpointError("HP_USAGE", `${option} must be a share inside (0, 1), got ${text}`, {
    hint: `For 1 %: ${option} 0.01`,
  });
}

export function wholeOf(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new HoldpointError("HP_USAGE", `${option} must be a whole number from ${min} to ${max}, got ${text}`);
}
