import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Command, Option } from "commander";
import {
  findModelOnDisk,
  goldenOutput,
  importModel,
  inspectModel,
  manifestDraft,
  openRegistry,
  proveModel,
  readModelBytes,
  type RegistryEntry,
} from "../../models/index.node.ts";
import { type Manifest } from "../../models/index.ts";
import { HoldpointError, type Result } from "../../protocol/index.ts";
import { dataOption } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";

interface RegistryFlags {
  readonly data: string;
  readonly registry?: string;
  readonly json?: boolean;
}

/** `holdpoint model …`: what a store's models are, and which of them serves. */
export function modelCommand(): Command {
  return new Command("model")
    .description("Describe, check and import models; choose the version that serves.")
    .addCommand(initCommand())
    .addCommand(checkCommand())
    .addCommand(importCommand())
    .addCommand(listCommand())
    .addCommand(activateCommand())
    .addCommand(rollbackCommand());
}

function initCommand(): Command {
  return new Command("init")
    .description("Write a manifest skeleton beside an ONNX file; fill in what it asks for.")
    .argument("<file.onnx>", "the model")
    .option("--labels <file>", "labels in the order of the outputs: a line each, or a JSON array")
    .option("--task <task>", "task that the model serves", "TODO")
    .option("--name <name>", "name of the model; the file's where it is not given")
    .option("--force", "write over an existing manifest")
    .option("--json", "the manifest and what is to do, for machines")
    .action(
      async (
        file: string,
        flags: { labels?: string; task: string; name?: string; force?: boolean; json?: boolean },
      ) => {
        if (!file.endsWith(".onnx")) throw new HoldpointError("HP_MODEL_FORMAT", `${file} is not an ONNX file`);
        const model = await readInput(file, "HP_MODEL_NOT_FOUND");
        const draft = manifestDraft({
          name: flags.name ?? basename(file, ".onnx"),
          task: flags.task,
          file: basename(file),
          digest: `sha256:${createHash("sha256").update(model).digest("hex")}`,
          bytes: model.byteLength,
          ...(await inspectModel(model)),
          labels: flags.labels === undefined ? null : parseLabels(await readInput(flags.labels, "HP_USAGE")),
        });
        const target = join(dirname(file), `${basename(file)}.manifest.json`);
        await writeNew(target, `${JSON.stringify(draft.manifest, null, 2)}\n`, flags.force === true);
        if (flags.json) {
          printJson({ file: target, ...draft });
          return;
        }
        printLine(`wrote ${target}`);
        for (const line of draft.todo) printLine(`  to do: ${line}`);
        printLine(`then: holdpoint model check ${file}`);
      },
    );
}

function checkCommand(): Command {
  return new Command("check")
    .description("Hold a model against its manifest: digest, inputs, outputs, golden input, batches.")
    .argument("<path>", "folder, manifest or .onnx file")
    .option("--write-golden", "record in the manifest what the golden input answers here")
    .option("--json", "the result for machines")
    .action(async (path: string, flags: { json?: boolean; writeGolden?: boolean }) => {
      const { manifest, manifestFile, modelFile } = valueOf(await findModelOnDisk(path));
      const bytes = valueOf(await readModelBytes(modelFile, manifest));
      const batchProven = await proveModel(bytes, manifest);
      const { name, version, task, digest, labels } = manifest;
      if (flags.writeGolden) await writeGolden(manifestFile, bytes, manifest);
      if (flags.json) {
        printJson({ name, version, task, digest, labels: labels.length, batchProven });
        return;
      }
      printLine(`${name}@${version} serves ${task}: ${labels.length} labels, ${digest}`);
      printLine(goldenLine(manifest.golden !== undefined, flags.writeGolden === true));
      printLine(batchProven > 1 ? `rows are equal alone and in batches of ${batchProven}` : "runs one row at a time");
    });
}

function goldenLine(hasGolden: boolean, written: boolean): string {
  if (written) return "the golden input's answer is now in the manifest";
  return hasGolden ? "the golden input answers as stated" : "there is no golden input: --write-golden records one";
}

const goldenSeed = 20_260;
const goldenTolerance = 0.001;

/** Only `golden` is changed; everything else stays as its author wrote it. */
async function writeGolden(file: string, model: Uint8Array, manifest: Manifest): Promise<void> {
  const output = await goldenOutput(model, manifest, goldenSeed);
  const logits = Array.from(output, (value) => Number(value.toFixed(6)));
  const written = JSON.parse(new TextDecoder().decode(await readInput(file, "HP_USAGE"))) as object;
  const golden = { pattern: "lcg", seed: goldenSeed, logits, tolerance: goldenTolerance };
  await writeFile(file, `${JSON.stringify({ ...written, golden }, null, 2)}\n`);
}

function importCommand(): Command {
  return registryCommand("import", "Check a model and store it; --activate makes it serve.")
    .argument("<path>", "folder, manifest or .onnx file")
    .option("--activate", "make it the active version")
    .action(async (path: string, flags: RegistryFlags & { activate?: boolean }) => {
      const options = { registryDir: folderOf(flags), activate: flags.activate === true };
      const { manifest, batchProven } = valueOf(await importModel(path, options));
      const { name, version, digest } = manifest;
      const state = options.activate ? "active" : "staged";
      if (flags.json) {
        printJson({ name, version, digest, batchProven, state });
        return;
      }
      printLine(`${name}@${version} is ${state} (${digest})`);
      if (!options.activate) printLine(`then: holdpoint model activate ${name}@${version}`);
    });
}

function listCommand(): Command {
  return registryCommand("list", "Models of the registry, with what is staged, active and previous.")
    .option("--verify", "read every file and hold it against its digest")
    .action(async (flags: RegistryFlags & { verify?: boolean }) => {
      const registry = openRegistry(folderOf(flags));
      const entries = await registry.list();
      const damaged = flags.verify ? await registry.damaged() : [];
      if (damaged.length > 0) process.exitCode = 1;
      if (flags.json) {
        printJson(flags.verify ? { models: entries, damaged } : { models: entries });
        return;
      }
      if (entries.length === 0) printLine(`no models in ${registry.directory}`);
      for (const line of entries.flatMap(entryLines)) printLine(line);
      for (const digest of damaged) printLine(`damaged: ${digest}; import the model again`);
    });
}

function activateCommand(): Command {
  return registryCommand("activate", "Make a version the one that serves.")
    .argument("<name@version>", "the version; without @version the staged one")
    .action(async (spec: string, flags: RegistryFlags) => {
      report(valueOf(await openRegistry(folderOf(flags)).activate(spec)), flags);
    });
}

function rollbackCommand(): Command {
  return registryCommand("rollback", "Back to the previous version; needs no network.")
    .argument("<name>", "the model")
    .action(async (name: string, flags: RegistryFlags) => {
      report(valueOf(await openRegistry(folderOf(flags)).rollback(name)), flags);
    });
}

function registryCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(dataOption())
    .addOption(new Option("--registry <dir>", "model registry; <data>/models where it is not given"))
    .option("--json", "the result for machines");
}

function folderOf(flags: RegistryFlags): string {
  return flags.registry ?? join(flags.data, "models");
}

function report(entry: RegistryEntry, flags: RegistryFlags): void {
  if (flags.json) printJson(entry);
  else for (const line of entryLines(entry)) printLine(line);
}

function entryLines(entry: RegistryEntry): readonly string[] {
  const { name, staged, active, previous, versions } = entry;
  return versions.map(({ version, modelDigest }) => {
    const states = Object.entries({ active, previous, staged }).filter(([, named]) => named === version);
    return `${name}@${version}  ${states.map(([state]) => state).join(", ") || "-"}  ${modelDigest.slice(0, 19)}`;
  });
}

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw result.error;
  return result.value;
}

/** A JSON array of texts, an object of index to text, or a line each. */
function parseLabels(bytes: Uint8Array): readonly string[] {
  const text = new TextDecoder().decode(bytes).trim();
  if (!text.startsWith("[") && !text.startsWith("{")) {
    return text
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== "");
  }
  try {
    const value = JSON.parse(text) as unknown;
    const labels: unknown[] = Array.isArray(value) ? value : Object.values(value as object);
    if (labels.every((label) => typeof label === "string")) return labels;
  } catch {
    // Said below, with what is expected.
  }
  throw new HoldpointError("HP_USAGE", "the labels are neither lines nor a JSON array of texts");
}

async function readInput(file: string, code: "HP_MODEL_NOT_FOUND" | "HP_USAGE"): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new HoldpointError(code, `cannot read ${file}`, { cause, hint: "Check the path." });
  }
}

async function writeNew(file: string, text: string, force: boolean): Promise<void> {
  try {
    await writeFile(file, text, { flag: force ? "w" : "wx" });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new HoldpointError("HP_USAGE", `${file} exists`, { cause, hint: "Use --force to write over it." });
  }
}
