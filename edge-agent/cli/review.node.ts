import { Command } from "commander";
import { readPairingFile } from "../review/pairing-file.node.ts";
import { dataOption } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";

/** `holdpoint review pin`: the address and the PIN that pair a tablet with the agent of a data directory now. */
export function reviewCommand(): Command {
  const pin = new Command("pin")
    .description("Show the address, QR code and PIN that pair a tablet now. A PIN ends after ten minutes or one use.")
    .addOption(dataOption())
    .option("--json", "address and PIN for machines")
    .action((options: { data: string; json?: boolean }) => {
      const sheet = readPairingFile(options.data);
      if (options.json) printJson({ url: sheet.url, pin: sheet.pin });
      else {
        printLine(`${sheet.url}   PIN ${sheet.pin}`);
        if (process.stdout.isTTY) printLine(sheet.qrText);
      }
    });
  return new Command("review").description("Work with the in-store review page.").addCommand(pin);
}
