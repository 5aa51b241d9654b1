import { Command } from "commander";
import { gateCertifyCommand } from "./gate/certify.node.ts";
import { gateCurveCommand } from "./gate/curve.node.ts";
import { gateSimulateCommand } from "./gate/simulate.node.ts";
import { gateStudyCommand } from "./gate/study.node.ts";

/** `holdpoint gate …`: from labelled scores to a gate threshold that keeps a contract. */
export function gateCommand(): Command {
  return new Command("gate")
    .description("Find the gate threshold that keeps an error contract, and show what it costs.")
    .addCommand(gateCertifyCommand())
    .addCommand(gateCurveCommand())
    .addCommand(gateSimulateCommand())
    .addCommand(gateStudyCommand());
}
