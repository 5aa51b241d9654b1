import {
  configBundleBytes,
  configBundleSchema,
  fromBase64,
  HoldpointError,
  type Cancel,
  type ConfigBundle,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { backOffMs, defaultBackOff, type BackOffPace } from "./back-off.ts";
import { type HubExchange } from "./hub-port.ts";

/** Versions are an agent's own: a box that was enrolled anew begins with a low one. */
export type HeldBundle = Pick<ConfigBundle, "hub" | "agentId" | "version">;

/** Where the hub's layers live on the box, and how they come into force. */
export interface ConfigTarget {
  /** The bundle whose layers lie on the disk, or null. */
  readonly held: HeldBundle | null;
  /** Puts the layers in force. Rejects with HP_CONFIG where they are faulty; what was in force stays then. */
  adopt(bundle: ConfigBundle): Promise<void>;
}

export interface ConfigPullOptions {
  readonly exchange: HubExchange;
  readonly target: ConfigTarget;
  readonly hubId: string;
  readonly agentId: string;
  /** Ed25519 with the hub's public key from enrolment. */
  readonly verify: (bytes: Uint8Array, signature: Uint8Array) => boolean;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly pace?: BackOffPace;
  /** The newest config cannot be put in force, or can again. */
  readonly onProblem: (error: HoldpointError | null) => void;
  readonly onAdopted: () => void;
}

export interface ConfigPull {
  /** Version in force here; null before the first. */
  readonly version: number | null;
  /** The hub has this version. */
  announced(version: number): void;
  close(): void;
}

/** Pulls the hub's config when there is a newer one; a pull that fails is tried again until it is there. */
export function pullConfig(options: ConfigPullOptions): ConfigPull {
  const { exchange, target, timers, random, logger, pace = defaultBackOff } = options;
  const giveUp = new AbortController();
  let cancel: Cancel = () => undefined;
  const isClosed = (): boolean => giveUp.signal.aborted;
  let newest = 0;
  let failures = 0;
  let isPulling = false;
  /** One that was looked at and cannot be put in force: it is not looked at again until there is a newer one. */
  let faulty = 0;
  const held = (): number | null => {
    const bundle = target.held;
    return bundle !== null && bundle.hub === options.hubId && bundle.agentId === options.agentId
      ? bundle.version
      : null;
  };

  const pull = async (): Promise<void> => {
    if (isPulling || isClosed() || newest <= Math.max(held() ?? 0, faulty)) return;
    isPulling = true;
    cancel();
    const answer = await exchange.call(
      { name: "config", method: "GET", path: "/v1/config", reply: configBundleSchema },
      giveUp.signal,
    );
    const error = answer.ok ? await adopt(answer.value) : answer.error;
    isPulling = false;
    if (isClosed()) return;
    if (error === null) {
      failures = 0;
      void pull();
      return;
    }
    failures += 1;
    logger.warn("hub_config_not_pulled", { code: error.code, message: error.message });
    cancel = timers.after(backOffMs(failures, random.uniform(), error.retryAfterMs ?? null, pace), () => void pull());
  };

  /** Null when done with this bundle, good or bad. */
  const adopt = async (bundle: ConfigBundle): Promise<HoldpointError | null> => {
    const refusal = refusalOf(bundle, options, held() ?? 0);
    try {
      if (refusal) throw refusal;
      await target.adopt(bundle);
    } catch (cause) {
      const error = HoldpointError.from(cause, "HP_DISK_FULL");
      options.onProblem(error);
      // A disk that is full can be tried again; a bundle that is wrong stays wrong.
      if (error.code !== "HP_CONFIG") return error;
      logger.error("hub_config_refused", { version: bundle.version, message: error.message });
      // What is not the hub's word has no number: a high one, believed, would keep every later config out.
      faulty = refusal ? newest : Math.max(newest, bundle.version);
      return null;
    }
    logger.info("hub_config_adopted", { version: bundle.version });
    options.onProblem(null);
    options.onAdopted();
    return null;
  };

  return {
    get version() {
      return held();
    },
    announced: (version) => {
      newest = Math.max(newest, version);
      void pull();
    },
    close: () => {
      cancel();
      giveUp.abort();
    },
  };
}

/** Why a bundle is not the hub's word for this agent, or null. */
function refusalOf(
  { signature, ...signed }: ConfigBundle,
  { hubId, agentId, verify }: ConfigPullOptions,
  heldVersion: number,
): HoldpointError | null {
  if (!isSigned(signed, signature, verify)) {
    return new HoldpointError("HP_CONFIG", "the config that came is not signed by the hub", {
      hint: "Somebody changed it on the way, or the hub was set up anew: then enrol this agent again.",
    });
  }
  if (signed.hub !== hubId || signed.agentId !== agentId) {
    return new HoldpointError("HP_CONFIG", "the config that came is for another agent");
  }
  if (signed.version <= heldVersion) {
    return new HoldpointError("HP_CONFIG", `the hub's config went back from ${heldVersion} to ${signed.version}`, {
      hint: "A revert is a new version. Was the hub put back from a copy? Then change its config once.",
    });
  }
  return null;
}

function isSigned(
  signed: Omit<ConfigBundle, "signature">,
  signature: string,
  verify: ConfigPullOptions["verify"],
): boolean {
  try {
    return verify(configBundleBytes(signed), fromBase64(signature));
  } catch {
    return false;
  }
}
