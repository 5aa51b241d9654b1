import { createHash } from "node:crypto";
import { type EffectiveConfig, type TaskPolicy } from "../../config/index.ts";
import { type Journal, type JournalCase } from "../../edge-agent/journal/journal.ts";
import { isFinal, type Decision, type DecisionRequest, type Outcome } from "../../protocol/index.ts";
import { replay } from "../../sdk/index.ts";
import { digestOf } from "./agent-simulation-models.ts";
import { type SimTime } from "./agent-simulation-time.ts";

/** A request that a device has made, and everything that is known of it from outside. */
export interface Asked {
  readonly request: DecisionRequest;
  readonly device: string;
  readonly transport: "mqtt" | "http";
  acknowledged: boolean;
  /** Final, and the device has it. */
  answered: boolean;
  outcome: Outcome | null;
}

interface Seen {
  readonly text: string;
  readonly where: string;
}

/**
 * What must hold, whatever the weather. It hears what leaves the agent and what arrives at the devices, and reads the
 * journal after every start and at the end. A violation is a line of text; the trace is everything that it heard.
 */
export class Oracle {
  readonly violations: string[] = [];
  readonly asked = new Map<string, Asked>();
  readonly #time: SimTime;
  readonly #trace = createHash("sha256");
  readonly #log: ((line: string) => void) | null;
  readonly #bodies = new Map<string, Seen>();
  readonly #pubacked = new Set<string>();
  readonly #begun = new Map<string, Begun>();
  readonly #arrivedUptimeMs = new Map<string, number>();
  readonly #pendingUptimeMs = new Map<string, number>();
  readonly #taken = new Map<string, string>();
  readonly #reviewsFinal = new Map<string, string>();
  readonly #outcomes: Outcome[] = [];
  /** By config and task. */
  readonly #reviewWithinMs = new Map<string, number>();
  /** The most that any config so far has allowed, by task. */
  readonly #perHour = new Map<string, number>();
  readonly #escalations = new Map<string, number[]>();
  #uptimeMs: () => number = () => 0;
  #life = 0;
  /** Times at which nothing can be asked of the agent's speed: its disk was in trouble, or it was down. */
  #troubleAtMs = -Infinity;
  events = 0;
  escalated = 0;
  expired = 0;
  reviewed = 0;

  constructor(time: SimTime, log: ((line: string) => void) | null = null) {
    this.#time = time;
    this.#log = log;
  }

  note(line: string): void {
    const text = `${this.#time.monotonicMs().toFixed(3)} ${line}`;
    this.events += 1;
    this.#trace.update(`${text}\n`);
    this.#log?.(text);
  }

  violated(line: string): void {
    this.note(`VIOLATED ${line}`);
    this.violations.push(`${line} (at ${Math.round(this.#time.monotonicMs())} ms)`);
  }

  trace(): string {
    return this.#trace.copy().digest("hex");
  }

  /** A process has started. `uptimeMs` is the time that agents have run altogether. */
  started(uptimeMs: () => number): void {
    this.#life += 1;
    this.#uptimeMs = uptimeMs;
    this.#escalations.clear();
    this.trouble();
  }

  trouble(): void {
    this.#troubleAtMs = this.#time.monotonicMs();
  }

  // What devices do and see.

  asks(id: string, asked: Asked): void {
    this.asked.set(id, asked);
  }

  /** The agent has the request before it. */
  arrived(id: string): void {
    if (!this.#arrivedUptimeMs.has(id)) this.#arrivedUptimeMs.set(id, this.#uptimeMs());
    if (this.#begun.get(id)?.life === this.#life) return;
    this.#begun.set(id, { life: this.#life, atMs: this.#time.monotonicMs() });
  }

  /** A refused request may come again; its patience starts then. */
  refused(id: string, code: string): void {
    this.note(`refused ${id} ${code}`);
    this.#begun.delete(id);
  }

  /** A PUBACK or 200/202 leaves the agent. */
  acknowledged(id: string): void {
    const asked = this.asked.get(id);
    if (asked && !asked.acknowledged) this.note(`acknowledged ${id}`);
    if (asked) asked.acknowledged = true;
  }

  /** The agent says that this body of the id is durable. */
  taken(id: string, body: string): void {
    const first = this.#taken.get(id) ?? body;
    if (first !== body) this.violated(`${id}: two bodies were acknowledged`);
    this.#taken.set(id, first);
  }

  outcomeTaken(outcome: Outcome): void {
    this.#outcomes.push(outcome);
  }

  pubacked(id: string, revision: number): void {
    this.note(`puback ${id}/${revision}`);
    this.#pubacked.add(`${id}/${revision}`);
  }

  /** A decision has reached a device. */
  arrivedAtDevice(device: string, decision: Decision): void {
    const asked = this.asked.get(decision.id);
    if (asked?.device !== device) {
      this.violated(`${decision.id}: decision sent to ${device}, asked by ${asked?.device ?? "nobody"}`);
      return;
    }
    this.#see(decision, `at ${device}`);
    if (isFinal(decision)) asked.answered = true;
  }

  // What the agent says.

  /** A revision was told, after its commit. */
  revised(decision: Decision): void {
    this.#see(decision, "told");
    const { id, revision, verdict } = decision;
    const begun = this.#begun.get(id);
    if (revision === 1) {
      this.#inTime(decision, begun);
      if (verdict === "escalate") {
        this.escalated += 1;
        this.#pendingUptimeMs.set(id, this.#uptimeMs());
        const times = this.#escalations.get(decision.task) ?? [];
        this.#escalations.set(decision.task, [...times, this.#time.monotonicMs()]);
      }
    } else if (decision.reasons[0] === "review_expired") {
      this.expired += 1;
      this.#notBeforeItsTime(decision);
    } else this.reviewed += 1;
  }

  /** A review was answered "final": it and no other made the case so. */
  reviewDecided(id: string, reviewId: string, decision: Decision): void {
    this.note(`review ${reviewId} decided ${id}`);
    this.#see(decision, `by ${reviewId}`);
    const first = this.#reviewsFinal.get(id) ?? reviewId;
    if (first !== reviewId) this.violated(`${id}: decided by ${first} and by ${reviewId}`);
    this.#reviewsFinal.set(id, first);
  }

  /** A config that may come into force. */
  allows(config: EffectiveConfig): void {
    for (const { task, escalationsPerHour, reviewWithinMs } of Object.values(config.tasks)) {
      this.#reviewWithinMs.set(`${config.digest} ${task}`, reviewWithinMs);
      const most = Math.max(this.#perHour.get(task) ?? 0, escalationsPerHour ?? Infinity);
      this.#perHour.set(task, most);
    }
  }

  #see(decision: Decision, where: string): void {
    const key = `${decision.id}/${decision.revision}`;
    const text = JSON.stringify(decision);
    const known = this.#bodies.get(key);
    if (!known) {
      this.note(`decision ${key} ${where} ${text}`);
      this.#bodies.set(key, { text, where });
      this.#follows(decision);
    } else if (known.text !== text) this.violated(`${key}: two bodies, ${known.where} and ${where}`);
  }

  #follows(decision: Decision): void {
    const { id, revision, verdict, status } = decision;
    const first = this.#bodies.get(`${id}/1`);
    if (revision === 1) {
      if ((status === "pending") !== (verdict === "escalate")) this.violated(`${id}: ${verdict} is ${status}`);
      return;
    }
    if (revision !== 2 || status !== "final") this.violated(`${id}: revision ${revision} is ${status}`);
    if (!first) return; // Committed by a life that could not tell it; the journal is read for it.
    const before = JSON.parse(first.text) as Decision;
    if (before.verdict !== verdict) this.violated(`${id}: the verdict ${before.verdict} became ${verdict}`);
    if (isFinal(before)) this.violated(`${id}: revised after it was final`);
  }

  #inTime(decision: Decision, begun: Begun | undefined): void {
    const asked = this.asked.get(decision.id);
    // Taken up again after a restart, its device's patience starts anew.
    if (!asked || begun?.life !== this.#life || begun.atMs <= this.#troubleAtMs) return;
    const patienceMs = asked.request.deadlineMs ?? decideWithinMsMax;
    const tookMs = this.#time.monotonicMs() - begun.atMs;
    if (tookMs > patienceMs + slackMs) {
      this.violated(`${decision.id}: decided after ${Math.round(tookMs)} ms, patience ${patienceMs} ms`);
    }
  }

  /** Patience is time that agents ran. A first revision that a dead process could not tell is not older than its request. */
  #notBeforeItsTime(decision: Decision): void {
    const { id } = decision;
    const sinceMs = this.#uptimeMs() - (this.#pendingUptimeMs.get(id) ?? this.#arrivedUptimeMs.get(id) ?? 0);
    const patienceMs = this.#reviewWithinMs.get(`${decision.config.digest} ${decision.task}`) ?? 0;
    if (sinceMs < patienceMs - 30) {
      this.violated(`${decision.id}: expired after ${Math.round(sinceMs)} ms of ${patienceMs} ms`);
    }
  }

  /** The token bucket of a life: full at its start, refilled by the hour. */
  checkBudgets(): void {
    for (const [task, times] of this.#escalations) {
      const perHour = this.#perHour.get(task) ?? Infinity;
      const first = times[0] ?? 0;
      const hours = (this.#time.monotonicMs() - first + 60_000) / 3_600_000;
      if (times.length > perHour * (1 + hours)) {
        this.violated(`${task}: ${times.length} escalations in one life, budget ${perHour} an hour`);
      }
    }
  }

  /** Reads the journal as a restart finds it, or as it is at the end. */
  async readJournal(journal: Journal, ended: boolean): Promise<void> {
    const waiting = await this.#waiting(journal);
    const missing: string[] = [];
    for (const [id, asked] of this.asked) {
      const found = await journal.find(id);
      if (found) {
        await this.#readCase(journal, asked, found);
        if (asked.transport === "mqtt") missing.push(...this.#unsent(found, waiting));
      }
      if (!found && asked.acknowledged) this.violated(`${id}: acknowledged and lost`);
      if (ended && asked.acknowledged && found?.state !== "final") this.violated(`${id}: never final`);
    }
    // What was decided while this was read has its row by now.
    const now = missing.length > 0 ? await this.#waiting(journal) : waiting;
    for (const key of missing) {
      if (!now.has(key)) this.violated(`${key}: not acknowledged by its device, and not to be sent again`);
    }
    await this.#readOutbox(journal);
    for (const outcome of this.#outcomes) {
      const kept = (await journal.find(outcome.id))?.outcomes ?? [];
      if (!kept.some((one) => one.at === outcome.at)) this.violated(`${outcome.id}: an acknowledged outcome is lost`);
    }
    const report = await journal.verify();
    if (!report.intact) this.violated(`the chain breaks at ${report.fault?.n ?? 0}: ${report.fault?.message ?? ""}`);
  }

  /** Rows of deliveries: what devices have not acknowledged. */
  async #waiting(journal: Journal): Promise<ReadonlySet<string>> {
    const keys = new Set<string>();
    for (const device of new Set([...this.asked.values()].map((asked) => asked.device))) {
      for (const { decision } of await journal.undelivered(device, 1_000)) {
        keys.add(`${decision.id}/${decision.revision}`);
      }
    }
    return keys;
  }

  #unsent({ id, revisions }: JournalCase, waiting: ReadonlySet<string>): readonly string[] {
    const keys = revisions.map(({ revision }) => `${id}/${revision}`);
    return keys.filter((key) => !this.#pubacked.has(key) && !waiting.has(key));
  }

  async #readCase(journal: Journal, asked: Asked, found: JournalCase): Promise<void> {
    const { id } = found;
    if (found.request.context?.["shelf"] !== asked.request.context?.["shelf"])
      this.violated(`${id}: another body is kept`);
    if (found.device !== asked.device) this.violated(`${id}: belongs to ${found.device}`);
    for (const [index, decision] of found.revisions.entries()) {
      const key = `${id}/${decision.revision}`;
      if (decision.revision !== index + 1) this.violated(`${key}: revisions do not count from one`);
      this.#see(decision, "in the journal");
    }
    const [first, second] = found.revisions;
    if (found.state === "pending" && found.reviewLeftMs === null) this.violated(`${id}: pending without a clock`);
    if (first) await this.#readFirst(journal, first, found);
    if (second) this.#readSecond(second, found);
  }

  /** The gate, the model and the revision of a decision belong to one config. */
  async #readFirst(journal: Journal, decision: Decision, found: JournalCase): Promise<void> {
    const { id, task, model } = decision;
    const config = await journal.config(decision.config.digest);
    if (config?.revision !== decision.config.revision) {
      this.violated(`${id}: config ${decision.config.revision}, the journal has ${config?.revision ?? "none"}`);
      return;
    }
    const policy = config.tasks[task];
    if (decision.gateThreshold !== gateThresholdIn(policy, decision)) {
      this.violated(`${id}: gate threshold ${decision.gateThreshold} is not of config ${config.revision}`);
    }
    if (policy?.gate.target.kind === "contract" && decision.verdict === "accept" && decision.certificate === null) {
      this.violated(`${id}: accepted under a contract without a certificate`);
    }
    if (policy && found.trace) {
      const inputs = { decision, context: found.request.context ?? {}, trace: found.trace, policy, again: null };
      const { kind, differences } = replay(inputs);
      if (kind !== "gate_only") this.violated(`${id}: replays as ${kind} ${JSON.stringify(differences)}`);
    }
    const spec = policy?.model?.kind === "registry" ? policy.model.spec : "";
    if (model !== null && model.digest !== digestOf(spec)) {
      this.violated(`${id}: model ${model.version} under config ${config.revision}, which wants ${spec}`);
    }
    if (decision.verdict === "accept" && decision.confidence < decision.gateThreshold) {
      this.violated(`${id}: accepted at ${decision.confidence} below ${decision.gateThreshold}`);
    }
    const budget = found.trace?.budget ?? null;
    if (decision.verdict === "escalate" && budget !== null && budget < 1) {
      this.violated(`${id}: escalated on a budget of ${budget}`);
    }
  }

  /** The first review that was committed decided, unless patience ended before. */
  #readSecond(decision: Decision, found: JournalCase): void {
    const { id, reasons } = decision;
    const [first] = found.reviews;
    if (reasons[0] === "review_expired") return;
    const { answer } = first ?? {};
    const fits =
      answer?.kind === "label"
        ? decision.decidedBy === "reviewer" && decision.answer?.label === answer.label
        : decision.decidedBy === "fallback" && reasons[0] === answer?.kind;
    if (!fits) this.violated(`${id}: ${reasons[0] ?? "?"} is not what ${first?.reviewId ?? "nobody"} answered first`);
    const told = this.#reviewsFinal.get(id);
    if (told !== undefined && told !== first?.reviewId) this.violated(`${id}: ${told} was told that it decided`);
  }

  async #readOutbox(journal: Journal): Promise<void> {
    const rows = await journal.outbox(0, 1_000);
    rows.forEach(({ seq }, index) => {
      if (seq !== index + 1) this.violated(`the outbox goes from ${index} to ${seq}`);
    });
    const escalations = new Set(rows.filter(({ kind }) => kind === "escalation").map(({ id }) => id));
    for (const { id } of await journal.pending(1_000)) {
      if (!escalations.has(id)) this.violated(`${id}: escalated without a word to the hub`);
    }
  }
}

/** What the config says, by number or by the certificate that the decision names; without one nothing is accepted. */
function gateThresholdIn(policy: TaskPolicy | undefined, { certificate, model }: Decision): number | null {
  const { target, certificates } = policy?.gate ?? {};
  if (target?.kind !== "contract") return target?.gateThreshold ?? null;
  if (certificate === null) return 1;
  const named = certificates?.find(({ id }) => id === certificate);
  return named?.model === model?.digest ? (named?.gateThreshold ?? null) : null;
}

/** A request that this life works on. */
interface Begun {
  readonly life: number;
  readonly atMs: number;
}

/** `decide_within` of every simulated config is at most this. */
export const decideWithinMsMax = 1_200;
/** Declared slack on top of a patience: holding back for the model, and two commits of the slowest disk that is well. */
const slackMs = 250;
