import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openEdgeLink, type EdgeLink, type EdgeLinkOptions } from "../cloud-sync/edge/edge-link.node.ts";
import { hubOrigin } from "../cloud-sync/edge/hub-address.ts";
import { type ExchangeOutcome, type HubCall } from "../cloud-sync/edge/hub-port.ts";
import { type OutboxSource } from "../cloud-sync/edge/outbox-port.ts";
import { HoldpointError, type Cancel } from "../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../protocol/platform/clock.node.ts";
import { nodeHasher } from "../protocol/platform/hash.node.ts";
import { type AgentCore } from "./core.node.ts";
import { createHubBriefs, type Redact } from "./hub-briefs.node.ts";
import { createTaskTallies } from "./hub-tallies.ts";
import { type Journal } from "./journal/journal.ts";
import { reviewedTask } from "./review-source.ts";

/** Where the agent's hub is, and what may go there. */
export interface HubLinkOptions {
  readonly url: string;
  /** Good once: makes this agent one of the hub's. Needed until it is enrolled. */
  readonly token?: string;
  /** Certificates (PEM) to trust instead of the system's. */
  readonly caFile?: string;
  /** Allows http:// to other machines. */
  readonly insecure?: boolean;
  /** What may leave of a picture; all of it unless given. */
  readonly redact?: Redact;
  readonly pace?: EdgeLinkOptions["pace"];
  readonly offlineMsMax?: number;
}

/** The hub's part of the agent's data directory. */
export function hubDirectory(dataDir: string): string {
  return join(dataDir, "hub");
}

/** What a call that is wrong would find out only later. Throws HP_USAGE. */
export function checkHubOptions({ url, insecure, caFile }: HubLinkOptions): void {
  hubOrigin(url, insecure);
  if (caFile !== undefined) readCertificates(caFile);
}

export interface HubLinkParts {
  readonly core: AgentCore;
  readonly hub: HubLinkOptions;
  readonly software: string;
  /** The agent's status has changed by what the way to the hub is like. */
  readonly onChange: () => void;
  readonly onOutcome: (call: HubCall<unknown>["name"], outcome: ExchangeOutcome) => void;
}

/** The agent's side of its hub, over its journal and its engine. */
export function openHubLink({ core, hub, software, onOutcome, onChange }: HubLinkParts): EdgeLink {
  const { options, journal, engine, pipeline, host } = core;
  const { dataDir, name, logger } = options;
  const { storeId } = pipeline.config();
  const task = (of: string) => reviewedTask(of, pipeline, host);
  const tallies = createTaskTallies({ pipeline, task, hasher: nodeHasher });
  const stopCounting = engine.onRevision((decision) => tallies.count(decision));
  let told = "";
  const link: EdgeLink = openEdgeLink({
    dir: hubDirectory(dataDir),
    origin: hubOrigin(hub.url, hub.insecure),
    ...(hub.caFile === undefined ? {} : { ca: readCertificates(hub.caFile) }),
    ...(hub.token === undefined ? {} : { token: hub.token }),
    ...(hub.pace ? { pace: hub.pace } : {}),
    ...(hub.offlineMsMax === undefined ? {} : { offlineMsMax: hub.offlineMsMax }),
    ...{ agent: name, store: storeId, software, onOutcome, logger },
    ...{ clock: systemClock, timers: systemTimers, random: systemRandom, hasher: nodeHasher },
    outbox: outboxOf(journal, (listener) => engine.onRevision(listener)),
    briefs: createHubBriefs({
      storeId,
      journal,
      pipeline,
      task,
      redact: hub.redact ?? null,
      hasher: nodeHasher,
      logger,
    }),
    target: {
      review: async ({ id, reviewId, reviewer, answer, tookMs }) => {
        const reviewed = await engine.review({ id, reviewId, reviewer, answer, tookMs, source: "hub" });
        if (!reviewed || reviewed.kind === "unknown") {
          throw new HoldpointError("HP_NOT_FOUND", `the journal has no case ${id} any more`);
        }
      },
      erase: async (id) => {
        await journal.erase(id);
      },
    },
    status: () => core.status(),
    tasks: (labelsOf) => tallies.report(labelsOf),
    config: { check: (...files) => core.checkConfig(...files), reload: () => core.reloadConfig() },
    onAnswerTimes: (p95Ms) => pipeline.toldAnswerTimes(p95Ms),
    onChange: () => {
      const { state, problems } = link.facts();
      const now = JSON.stringify([state.kind, problems, journal.storage().unsent === 0]);
      if (now === told) return;
      told = now;
      onChange();
    },
  });
  return {
    facts: () => link.facts(),
    soon: () => link.soon(),
    close: async () => {
      stopCounting();
      await link.close();
    },
  };
}

/** Most rows come with a revision; outcomes and labels do not, and are seen by the next look. */
const lookMs = 500;

function outboxOf(journal: Journal, onRevision: (listener: () => void) => Cancel): OutboxSource {
  return {
    epoch: journal.epoch,
    rows: (afterSeq, limit) => journal.outbox(afterSeq, limit),
    lastSeq: () => journal.storage().outboxSeq,
    forwarded: async (watermark) => {
      await journal.forwarded(journal.epoch, watermark);
    },
    onWritten: (listener) => {
      let seen = journal.storage().outboxSeq;
      let cancel: Cancel = () => undefined;
      const look = (): void => {
        const { outboxSeq } = journal.storage();
        if (outboxSeq === seen) return;
        seen = outboxSeq;
        listener();
      };
      const again = (): void => {
        cancel = systemTimers.after(lookMs, () => {
          look();
          again();
        });
      };
      again();
      const stop = onRevision(look);
      return () => {
        cancel();
        stop();
      };
    },
  };
}

function readCertificates(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new HoldpointError("HP_USAGE", `cannot read the certificates ${file}`, { cause });
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new HoldpointError("HP_USAGE", `${file} has no certificate in it (PEM)`);
}
