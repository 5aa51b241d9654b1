import { canonicalJson } from "../../../protocol/index.ts";
import { announceConfig, lockConfig } from "../config/config-announcing.ts";
import { fleetScope } from "../config/config-tables.ts";
import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type HubParts } from "../room.ts";
import { startCertificate, transition, type CertificateEvent } from "../../../models/measure/certificate-machine.ts";
import {
  defaultLaunchLabels,
  type CertificateRules,
  type CertificateState,
} from "../../../models/measure/certificate-state.ts";
import { defaultGateThresholds } from "../../../models/measure/evidence-grid.ts";
import { capOf, issueCertificate } from "./certificate-issue.ts";
import { type LabelRow } from "./due-labels.ts";
import { type GateContract } from "./gate-contracts.ts";
import { type GateTables, type StateKey } from "./gate-tables.ts";
import { keysFor, targetsOf, type Target, type TaskContracts } from "./gate-targets.ts";
import { missShareOf } from "./label-quality.ts";
import { fitStores } from "./store-fits.ts";
import { type StoreAdjustment } from "../../../models/measure/store-adjustment.ts";

type StateRow = GateTables["gate_states"];

interface BookOptions {
  readonly task: string;
  readonly nowMs: number;
  readonly contracts: TaskContracts;
}

/** One certificate's life as it is taken through a batch, with what it publishes at the end. */
interface Entry {
  row: StateRow;
  life: CertificateState;
  /** What it publishes at the end of the batch. `isRenewal`: nothing but its age has changed. */
  publish: { readonly isRenewal: boolean } | null;
  isNew: boolean;
  isChanged: boolean;
  /** Where the epoch changed: its labels begin after this batch. */
  isNewEpoch: boolean;
}

/** Points of the evidence over time are written so often at most, beside those where something is issued. */
const historyEveryMs = 5 * 60_000;

/** The certificates of one task in one transaction: read, taken through events, written back, issued and announced. */
export class StateBook {
  readonly #parts: HubParts;
  readonly #trx: HubTransaction;
  readonly #options: BookOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #adjusts = new Map<string, StoreAdjustment>();
  #missShare = 0;
  hasPublished = false;
  /** An epoch has begun: what is counted from now on needs the calibrations that are fitted when this is saved. */
  hasNewEpoch = false;

  constructor(parts: HubParts, trx: HubTransaction, options: BookOptions) {
    this.#parts = parts;
    this.#trx = trx;
    this.#options = options;
  }

  /** Reads the task's certificates and the stores' own calibrations, and begins what the labels are the first of. */
  async open(labels: readonly LabelRow[]): Promise<void> {
    const { db } = this.#trx;
    const { task } = this.#options;
    const rows = await db.selectFrom("gate_states").selectAll().where("task", "=", task).execute();
    for (const row of rows) {
      const life = JSON.parse(row.state) as CertificateState;
      this.#entries.set(keyText(row), { row, life, publish: null, isNew: false, isChanged: false, isNewEpoch: false });
    }
    this.#missShare = await missShareOf(this.#trx, task);
    if (labels.length === 0) return;
    await this.#fitFirst(labels);
    const adjusts = await db.selectFrom("gate_adjusts").selectAll().where("task", "=", task).execute();
    for (const row of adjusts) this.#adjusts.set(adjustKey(row), { slope: row.slope, offset: row.intercept });
  }

  /** A group's certificate that begins now: the stores' calibrations are of what was counted before it. */
  async #fitFirst(labels: readonly LabelRow[]): Promise<void> {
    const { contracts, task, nowMs } = this.#options;
    const models = new Map<string, LabelRow>();
    for (const label of labels) {
      const isFirst = targetsOf(contracts, label).some(
        (target) => target.level !== "store" && !this.#entries.has(keyText(target)),
      );
      const { model, calibration } = label;
      const isFitted = [...this.#entries.values()].some(
        ({ row }) => row.level !== "store" && row.model === model && row.calibration === calibration,
      );
      if (isFirst && !isFitted) models.set(JSON.stringify([model, calibration]), label);
    }
    for (const { model, calibration } of models.values())
      await fitStores(this.#trx, { task, model, calibration }, nowMs);
  }

  adjustOf(label: LabelRow): StoreAdjustment | null {
    return this.#adjusts.get(adjustKey(label)) ?? null;
  }

  /** `confidence` is the one that the gate compares. */
  count(target: Target, label: LabelRow, confidence: number): void {
    const { nowMs } = this.#options;
    const entry = this.#entryOf(target);
    const isAgain = (label.counted_n ?? 0) > entry.row.epoch_n;
    this.#step(entry, {
      ...{ type: "label", atMs: nowMs },
      label: {
        ...{ confidence, isWrong: label.is_wrong !== 0, propensity: label.propensity },
        ...{ propensityMin: label.propensity_min, model: label.model, calibration: label.calibration },
        // A label comes again only where it was counted as right and is wrong.
        ...{ decidedAtMs: label.held_ms, previous: isAgain ? "right" : null },
      },
    });
    entry.row = { ...entry.row, changed_ms: Math.max(entry.row.changed_ms, label.came_ms) };
  }

  /**
   * Contracts that are others now, and what lapses or is to be renewed. `accepted`: decisions of each store that the model
   * has accepted since the last time.
   */
  passTime(accepted: ReadonlyMap<string, number>): void {
    const wanted = new Map<string, Target>();
    const busiest = new Map<string, number>();
    for (const held of [...this.#options.contracts.byStore.values()].flat()) {
      for (const { row } of this.#entries.values()) {
        for (const target of keysFor(held, row)) {
          const key = keyText(target);
          wanted.set(key, target);
          busiest.set(key, Math.max(busiest.get(key) ?? 0, accepted.get(held.store) ?? 0));
        }
      }
    }
    const running = this.#running();
    for (const [key, entry] of this.#entries) {
      const target = wanted.get(key);
      if (!target) continue;
      this.#holdTo(entry, target);
      // Each agent counts for itself, so the busiest store is what a group's certificate is held to. The sum of the busiest
      // of each look is never below what one store has accepted.
      const more = running.has(key) ? (busiest.get(key) ?? 0) : 0;
      this.#step(entry, { type: "tick", atMs: this.#options.nowMs, accepted: more });
    }
  }

  /**
   * Keys of the certificates that agents decide under now: of each gate that of the model whose labels came last. What an
   * older model accepts meanwhile its own agents count. A cap does not age.
   */
  #running(): ReadonlySet<string> {
    const newest = new Map<string, readonly [key: string, changedMs: number]>();
    for (const [key, { row }] of this.#entries) {
      if (row.purpose !== "certificate") continue;
      const gate = JSON.stringify([row.level, row.scope, row.label, row.rung]);
      if ((newest.get(gate)?.[1] ?? -1) < row.changed_ms) newest.set(gate, [key, row.changed_ms]);
    }
    return new Set([...newest.values()].map(([key]) => key));
  }

  /** `found` certificates are of that gate, and for `raised` of them the word is another one now. */
  raise(
    which: (row: StateRow) => boolean,
    gateThreshold: number | "people" | null,
  ): { readonly found: number; readonly raised: number } {
    const found = [...this.#entries.values()].filter(({ row }) => row.purpose === "certificate" && which(row));
    let raised = 0;
    for (const entry of found) {
      const { published, raised: before } = entry.life;
      // A word never lowers what holds now, nor what somebody has said; to take a raise back leads to what is proved.
      if (before === gateThreshold) continue;
      if (typeof gateThreshold === "number") {
        if (before === "people" || gateThreshold < Math.max(published.gateThreshold ?? 0, before ?? 0)) continue;
      }
      this.#step(entry, { type: "raise", atMs: this.#options.nowMs, gateThreshold });
      raised += 1;
    }
    return { found: found.length, raised };
  }

  /** Returns how many agents were told. */
  async save(logN: number): Promise<number> {
    const { nowMs } = this.#options;
    const touched = new Map<string, Pick<StateKey, "level" | "scope">>();
    const history: GateTables["gate_history"][] = [];
    const isAccepting = [...this.#entries.values()].some(
      ({ row, life }) => row.purpose === "certificate" && life.published.gateThreshold !== null,
    );
    for (const entry of this.#entries.values()) {
      if (!entry.isChanged && !entry.isNew) continue;
      const before = entry.isNew ? null : capOf(entry.row, JSON.parse(entry.row.state) as CertificateState);
      if (entry.publish && entry.row.purpose === "certificate") {
        entry.row = await issueCertificate(
          this.#parts,
          this.#trx,
          entry.row,
          entry.life,
          logN,
          entry.publish.isRenewal,
        );
        touch(touched, entry.row);
      }
      entry.row = this.#rowOf(entry, logN);
      // A cap is a part of the group's certificate: without one there is nothing to send.
      const isCap = entry.row.purpose === "cap" && isAccepting;
      if (isCap && canonicalJson(before) !== canonicalJson(capOf(entry.row, entry.life))) touch(touched, entry.row);
      if (entry.publish || nowMs - entry.row.told_ms >= historyEveryMs) {
        entry.row = { ...entry.row, told_ms: nowMs };
        history.push(historyOf(entry, nowMs));
      }
      await this.#write(entry.row);
      const isGroup = entry.row.level !== "store" && entry.row.purpose === "certificate";
      if (entry.isNewEpoch && isGroup) await fitStores(this.#trx, entry.row, nowMs);
    }
    for (let from = 0; from < history.length; from += 500) {
      await insertRows(this.#trx, "gate_history", history.slice(from, from + 500), "on conflict do nothing");
    }
    if (touched.size === 0) return 0;
    this.hasPublished = true;
    this.#trx.tell({ kind: "gate", task: this.#options.task });
    return this.#announce([...touched.values()]);
  }

  #entryOf(target: Target): Entry {
    const key = keyText(target);
    const known = this.#entries.get(key);
    if (known) {
      this.#holdTo(known, target);
      return known;
    }
    const { nowMs } = this.#options;
    const { purpose, contract, level, scope, task, label, rung, model, calibration } = target;
    const life = startCertificate(rulesOf(contract, this.#missShare), { model, calibration }, nowMs);
    const row: StateRow = {
      ...{ level, scope, task, label, rung, model, calibration, purpose, contract: JSON.stringify(contract) },
      ...{ state: "", kind: life.kind, epoch: life.epoch, epoch_n: 0, labels: 0, gate_threshold: null },
      ...{ certificate: null, renewal: 0, issued_ms: 0, lapse_ms: null, changed_ms: nowMs, told_ms: 0 },
      miss_share: this.#missShare,
    };
    const entry = { row, life, publish: null, isNew: true, isChanged: true, isNewEpoch: false };
    this.#entries.set(key, entry);
    return entry;
  }

  /** A certificate that is held to another contract, or for another purpose, begins anew. */
  #holdTo(entry: Entry, { contract, purpose }: Pick<Target, "contract" | "purpose">): void {
    const text = JSON.stringify(contract);
    if (text === entry.row.contract && purpose === entry.row.purpose) return;
    // Another promise begins a new epoch, which takes what is known of the reviewers by now.
    const isSame = isSamePromise(JSON.parse(entry.row.contract) as GateContract, contract);
    const missShare = isSame ? entry.row.miss_share : this.#missShare;
    entry.row = { ...entry.row, contract: text, purpose, miss_share: missShare };
    entry.isChanged = true;
    this.#step(entry, { type: "contract", atMs: this.#options.nowMs, rules: rulesOf(contract, missShare) });
  }

  #step(entry: Entry, event: CertificateEvent): void {
    const { state: life, effects } = transition(entry.life, event);
    if (life === entry.life) return;
    if (life.epoch !== entry.life.epoch) {
      entry.isNewEpoch = true;
      this.hasNewEpoch = true;
    }
    entry.life = life;
    entry.isChanged = true;
    for (const effect of effects) {
      // Of several in one batch the last counts; it is no renewal of what was never issued.
      if (effect.type === "publish") {
        entry.publish = { isRenewal: effect.isRenewal && (entry.publish?.isRenewal ?? true) };
      }
    }
  }

  #rowOf({ row, life, isNewEpoch }: Entry, logN: number): StateRow {
    const isHeld = life.kind === "certified" && life.published.gateThreshold !== null;
    return {
      ...row,
      ...{ state: JSON.stringify(life), kind: life.kind, epoch: life.epoch, labels: life.grid.labels },
      ...{ gate_threshold: life.published.gateThreshold, epoch_n: isNewEpoch ? logN : row.epoch_n },
      lapse_ms: isHeld ? life.freshAtMs + life.rules.lapseAfterMs : null,
    };
  }

  async #write(row: StateRow): Promise<void> {
    const key = ["level", "scope", "task", "label", "rung", "model", "calibration"] as const;
    await this.#trx.db
      .insertInto("gate_states")
      .values(row)
      .onConflict((conflict) => conflict.columns(key).doUpdateSet(row))
      .execute();
  }

  async #announce(touched: readonly Pick<StateKey, "level" | "scope">[]): Promise<number> {
    const { database } = this.#parts;
    const { nowMs } = this.#options;
    await lockConfig(this.#trx);
    // The fleet's agents are all of them.
    if (touched.some(({ level }) => level === "fleet")) {
      return announceConfig(database.kind, this.#trx, { layer: "fleet" }, nowMs);
    }
    let agents = 0;
    for (const { level, scope } of touched) {
      if (level !== "fleet") agents += await announceConfig(database.kind, this.#trx, { layer: level, scope }, nowMs);
    }
    return agents;
  }
}

function keyText({ level, scope, label, rung, model, calibration }: Omit<StateKey, "task">): string {
  return JSON.stringify([level, scope, label, rung, model, calibration]);
}

function adjustKey({
  store,
  model,
  calibration,
}: {
  readonly store: string;
  readonly model: string;
  readonly calibration: string;
}): string {
  return JSON.stringify([store, model, calibration]);
}

function isSamePromise(a: GateContract, b: GateContract): boolean {
  return a.maxError === b.maxError && a.delta === b.delta && a.launchLabels === b.launchLabels;
}

/**
 * The machine's terms of a contract. Reviewers repeat some of the model's errors, which then no label shows: the labels
 * are held to so much less that the promise still holds.
 */
function rulesOf(
  { maxError: promised, delta, launchLabels, lapseAfterMs, lapseAccepts }: GateContract,
  missShare: number,
): CertificateRules {
  const maxError = promised * (1 - missShare);
  return {
    ...{ maxError, delta, launchLabels: launchLabels ?? defaultLaunchLabels({ maxError, delta }) },
    ...{ gateThresholds: defaultGateThresholds, lapseAfterMs, lapseAccepts },
  };
}

function touch(
  touched: Map<string, Pick<StateKey, "level" | "scope">>,
  { level, scope }: Pick<StateKey, "level" | "scope">,
): void {
  const of = level === "fleet" ? { level, scope: fleetScope } : { level, scope };
  touched.set(`${of.level}/${of.scope}`, of);
}

function historyOf({ row, life }: Entry, nowMs: number): GateTables["gate_history"] {
  const { level, scope, task, label, rung, model, calibration } = row;
  const { points, labels } = life.grid;
  // The most generous gate threshold accepts nearly everything: its errors are those of all labels.
  const last = points.at(-1);
  return {
    ...{ level, scope, task, label, rung, model, calibration, at_ms: nowMs, epoch: life.epoch, kind: life.kind },
    ...{ labels, errors: last ? last.errors + last.sampledErrors : 0, gate_threshold: life.published.gateThreshold },
    ln_evidence: Math.max(...points.map((point) => point.supLnEvidence)),
    upper_bound: life.published.proved?.upperBound ?? null,
  };
}
