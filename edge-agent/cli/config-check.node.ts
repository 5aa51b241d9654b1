import { Command } from "commander";
import {
  conditionRows,
  faultText,
  flatConfig,
  keyRows,
  keyTableMarkdown,
  resolveConfig,
  type EffectiveConfig,
  type LayerName,
  type Origin,
  type Resolved,
} from "../../config/index.ts";
import { readLayers, type LayerFile } from "../../config/layer-files.node.ts";
import { HoldpointError } from "../../protocol/index.ts";
import { printJson, printLine, printNote } from "./output.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

interface CheckOptions extends Partial<Record<LayerName, string>> {
  readonly json: boolean;
}

interface Check {
  readonly file: string;
  readonly resolved: Resolved;
}

/** `holdpoint config check`. Exit code 0 for good configs, 2 for bad ones. */
export function configCheckCommand(): Command {
  return new Command("check")
    .description("check store configs: show the effective config, where each value came from, and warnings")
    .argument("[file...]", "store configs; each is checked by itself, together with the layers given by flags")
    .option("--fleet <file>", "the fleet's layer, below all others")
    .option("--region <file>", "the region's layer")
    .option("--store <file>", "the store's layer, instead of a file argument")
    .option("--device <file>", "the device's layer, above all others")
    .option("--json", "print JSON for machines", false)
    .action(async (files: readonly string[], options: CheckOptions) => {
      const checks = await checkAll(files, options);
      if (options.json) printJson(jsonOf(checks));
      else for (const check of checks) print(check);
      if (checks.some(({ resolved }) => !resolved.ok)) process.exitCode = 2;
    });
}

/** `holdpoint config keys`: the tables of docs/config.md, from the schema. */
export function configKeysCommand(): Command {
  return new Command("keys")
    .description("list every key of a store config with its default, as Markdown")
    .option("--json", "print JSON for machines", false)
    .action(({ json }: { readonly json: boolean }) => {
      if (json) printJson({ keys: keyRows(), conditions: conditionRows() });
      else printLine([keyRows(), conditionRows()].map(keyTableMarkdown).join("\n\n"));
    });
}

async function checkAll(files: readonly string[], options: CheckOptions): Promise<readonly Check[]> {
  const around = (["fleet", "region", "store", "device"] as const).flatMap((layer): LayerFile[] => {
    const path = options[layer];
    return path === undefined ? [] : [{ layer, path }];
  });
  if (files.length > 0 && options.store !== undefined) {
    throw new HoldpointError("HP_USAGE", "give the store's layer as an argument or by --store, not both");
  }
  if (files.length === 0 && around.length === 0) {
    throw new HoldpointError("HP_USAGE", "name a config file", {
      hint: "For instance: holdpoint config check store.yaml",
    });
  }
  const stacks =
    files.length === 0 ? [around] : files.map((path): LayerFile[] => [...around, { layer: "store", path }]);
  const checks: Check[] = [];
  for (const stack of stacks) {
    const texts = await readLayers(stack);
    const resolved = texts.ok ? resolveConfig(texts.layers, nodeHasher) : texts;
    checks.push({ file: stack.at(-1)?.path ?? "", resolved });
  }
  return checks;
}

function print({ file, resolved }: Check): void {
  if (!resolved.ok) {
    for (const fault of resolved.faults) printNote(`${faultText(fault)}\n  hint: ${fault.hint}`);
    printNote(`${resolved.error.code}: ${file} is not in order`);
    return;
  }
  const { config, warnings, provenance } = resolved.value;
  const rows = [...flatConfig(config).values()].map(({ key, value }) => ({
    text: `${key}: ${flowText(value)}`,
    from: provenance.get(key),
  }));
  const width = Math.min(72, Math.max(...rows.map(({ text }) => text.length)));
  printLine(`# ${file}: in order, ${config.digest}`);
  for (const { text, from } of rows) printLine(`${text.padEnd(width)}  # ${originText(from)}`);
  for (const line of contractLines(config)) printLine(line);
  for (const { message, hint } of warnings) printLine(`warning: ${message}\n  hint: ${hint}`);
}

/** What a contract means for a store today: no config says whether a certificate is there. */
function contractLines({ tasks }: EffectiveConfig): readonly string[] {
  return Object.values(tasks)
    .filter(({ gate }) => gate.target.kind === "contract")
    .map(({ task }) => `# ${task}: under a contract, so nothing is accepted until a certificate counts (gate certify)`);
}

function originText(origin: Origin | undefined): string {
  if (origin === undefined || origin.file === null) return "default";
  return `${origin.layer} ${origin.file}:${origin.line ?? 1}`;
}

/** Plain text as it is, everything else as JSON, which YAML reads as well. */
function flowText(value: unknown): string {
  return typeof value === "string" && /^[\w./@^ -]+$/.test(value) ? value : JSON.stringify(value);
}

function jsonOf(checks: readonly Check[]): object {
  const each = checks.map(({ file, resolved }) => {
    if (!resolved.ok) {
      const { code, message, hint } = resolved.error;
      return { file, ok: false, error: { code, message, hint }, faults: resolved.faults };
    }
    const { config, warnings, provenance } = resolved.value;
    return { file, ok: true, config, warnings, provenance: Object.fromEntries(provenance) };
  });
  return { ok: each.every(({ ok }) => ok), checks: each };
}
