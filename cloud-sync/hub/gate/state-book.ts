import { canonicalJson } from "../../../protocol/index.ts";
import { announceConfig, lockConfig } from "../config/config-announcing.ts";
import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type HubParts } from "../room.ts";
import { startCertificate, transition, type CertificateEvent } from "../../../models/measure/certificate-machine.ts";
import { type CertificateState } from "../../../models/measure/certificate-state.ts";
import { capOf, issueCertificate } from "./certificate-issue.ts";
import { placeOf, residualOf } from "./coarse-residual.ts";
import { type LabelRow } from "./due-labels.ts";
import { type GateContract } from "./gate-contracts.ts";
import { type GateTables, type StateKey } from "./gate-tables.ts";
import { keysFor, targetsOf, type Target, type TaskContracts } from "./gate-targets.ts";
import { missShareOf } from "./label-quality.ts";
import { adjustKey, historyOf, isSamePromise, keyText, residualIn, rulesOf, touch, type Entry } from "./state-entry.ts";
import { fitStores } from "./store-fits.ts";
import { type StoreAdjustment } from "../../../models/measure/store-adjustment.ts";

type StateRow = GateTables["gate_states"];

interface BookOptions {
  readonly task: string;
  readonly nowMs: number;
  readonly contracts: TaskContracts;
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
        (target) => target.level !== "store" && target.rung === "fine" && !this.#entries.has(keyText(target)),
      );
      const { model, calibration } = label;
      const isFitted = [...this.#entries.values()].some(
        ({ row }) =>
          row.level !== "store" && row.rung === "fine" && row.model === model && row.calibration === calibration,
      );
      if (isFirst && !isFitted) models.set(JSON.stringify([model, calibration]), label);
    }
    for (const { model, calibration } of models.values())
      await fitStores(this.#trx, { task, model, calibration }, nowMs);
  }

  /** Stores have calibrations of their own for fine answers only. */
  adjustOf(label: LabelRow): StoreAdjustment | null {
    return label.rung === "fine" ? (this.#adjusts.get(adjustKey(label)) ?? null) : null;
  }

  /**
   * Before a label of a coarse answer is counted: certificates that speak of more than its fine gate leaves begin anew with
   * what it does leave. The label is counted by the next transaction, as the first of their epochs.
   */
  narrow(targets: readonly Target[], label: LabelRow): void {
    if (label.rung === "fine") return;
    for (const target of targets) {
      const entry = this.#entries.get(keyText(target));
      const residual = entry && residualIn(entry.row);
      if (!residual || placeOf(label, residual, this.#fineAdjustOf(label)) !== "harder") continue;
      this.#step(entry, { type: "population", atMs: this.#options.nowMs });
      entry.row = { ...entry.row, residual: JSON.stringify(residualOf(label)) };
    }
  }

  #fineAdjustOf({ store, model, fine_calibration: calibration }: LabelRow): StoreAdjustment | null {
    return calibration === null ? null : (this.#adjusts.get(adjustKey({ store, model, calibration })) ?? null);
  }

  /** Whether a coarse certificate speaks of the label's case; its epoch's first label says of what. */
  #isSpokenOf(entry: Entry, label: LabelRow): boolean {
    if (label.rung === "fine") return true;
    const residual = residualIn(entry.row) ?? residualOf(label);
    if (residual === null || placeOf(label, residual, this.#fineAdjustOf(label)) !== "inside") return false;
    entry.row = { ...entry.row, residual: JSON.stringify(residual) };
    return true;
  }

  /**
   * A coarse certificate is not tried before the fine one's launch was: what the coarse gate accepts gets no certain label
   * any more, and the launch is made of those. Labels that wait for it count as soon as it was tried.
   */
  #isHeld({ row, life }: Entry, { store, task, model, fine_calibration: calibration }: LabelRow): boolean {
    if (row.rung === "fine" || calibration === null) return false;
    const held = this.#options.contracts.byStore.get(store)?.find((one) => one.rung === "fine" && one.label === "");
    const [target] = held ? keysFor(held, { task, model, calibration }) : [];
    if (!target) return false;
    const fine = this.#entries.get(keyText(target))?.life;
    // Where classes have contracts of their own the task's may never see as many: then this one does not wait for it.
    return !fine?.launch.isDone && life.launch.confidence.length < (fine?.rules.launchLabels ?? 1);
  }

  /** `confidence` is the one that the gate compares. */
  count(target: Target, label: LabelRow, confidence: number): void {
    const { nowMs } = this.#options;
    const entry = this.#entryOf(target);
    if (!this.#isSpokenOf(entry, label)) return;
    const isAgain = (label.counted_n ?? 0) > entry.row.epoch_n;
    this.#step(entry, {
      ...{ type: "label", atMs: nowMs, isHeld: this.#isHeld(entry, label) },
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

  /** `found` certificates are of that gate, and at `raised` of them the word is another one now and says what holds. */
  raise(
    which: (row: StateRow) => boolean,
    gateThreshold: number | "people" | null,
  ): { readonly found: number; readonly raised: number } {
    const found = [...this.#entries.values()].filter(({ row }) => row.purpose === "certificate" && which(row));
    let raised = 0;
    for (const entry of found) {
      const { published, raised: before } = entry.life;
      // A word never lowers what somebody has said; to take a raise back leads to what is proved.
      if (before === gateThreshold) continue;
      const isNumber = typeof gateThreshold === "number";
      if (isNumber && (before === "people" || gateThreshold < (before ?? 0))) continue;
      // Where more than that holds now the word is kept as well: what is proved may fall later, and not below it.
      this.#step(entry, { type: "raise", atMs: this.#options.nowMs, gateThreshold });
      if (!isNumber || gateThreshold >= (published.gateThreshold ?? 0)) raised += 1;
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
      const isGroup = entry.row.level !== "store" && entry.row.rung === "fine";
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
    const begun = startCertificate(rulesOf(contract, this.#missShare), { model, calibration }, nowMs);
    const raised = purpose === "certificate" ? this.#raisedTo(target) : null;
    const life = transition(begun, { type: "raise", atMs: nowMs, gateThreshold: raised }).state;
    const row: StateRow = {
      ...{ level, scope, task, label, rung, model, calibration, purpose, contract: JSON.stringify(contract) },
      ...{ state: "", kind: life.kind, epoch: life.epoch, epoch_n: 0, labels: 0, gate_threshold: null },
      ...{ certificate: null, renewal: 0, issued_ms: 0, lapse_ms: null, changed_ms: nowMs, told_ms: 0 },
      ...{ miss_share: this.#missShare, residual: null },
    };
    const entry = { row, life, publish: null, isNew: true, isChanged: true, isNewEpoch: false };
    this.#entries.set(key, entry);
    return entry;
  }

  /** What a person has raised a gate to holds for every model, and for those that come later too. */
  #raisedTo({ level, scope, label, rung }: Target): number | "people" | null {
    const words = [...this.#entries.values()]
      .filter(({ row }) => row.purpose === "certificate" && row.level === level && row.scope === scope)
      .flatMap(({ row, life }) => (row.label === label && row.rung === rung ? (life.raised ?? []) : []));
    if (words.includes("people")) return "people";
    return words.length === 0 ? null : Math.max(...words.map(Number));
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
    const isNewEpoch = life.epoch !== entry.life.epoch;
    entry.life = life;
    entry.isChanged = true;
    if (isNewEpoch) {
      entry.isNewEpoch = true;
      this.hasNewEpoch = true;
      if (entry.row.rung === "coarse") entry.row = { ...entry.row, residual: null };
      else if (entry.row.purpose === "certificate" && entry.row.label === "") this.#beginRests(entry.row);
    }
    for (const effect of effects) {
      // Of several in one batch the last counts; it is no renewal of what was never issued.
      if (effect.type === "publish") {
        entry.publish = { isRenewal: effect.isRenewal && (entry.publish?.isRenewal ?? true) };
      }
    }
  }

  /** A fine certificate begins anew: so does every coarse one that speaks of what it left. */
  #beginRests(fine: StateRow): void {
    for (const entry of this.#entries.values()) {
      const { row } = entry;
      if (row.rung === "fine" || row.model !== fine.model) continue;
      if (residualIn(row)?.calibration !== fine.calibration) continue;
      // The fine certificate of one store says little of what a group's stores leave.
      if (fine.level === "store" && !(row.level === "store" && row.scope === fine.scope)) continue;
      this.#step(entry, { type: "population", atMs: this.#options.nowMs });
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
