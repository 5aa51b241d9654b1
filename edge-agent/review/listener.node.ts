import { hostname } from "node:os";
import { isLocalHost } from "../../cloud-sync/review/guards.ts";
import { reviewRoutes } from "../../cloud-sync/review/handlers.ts";
import { createPairing, type Pairing } from "../../cloud-sync/review/pairing.ts";
import { defaultReviewPolicy, type ReviewPolicy } from "../../cloud-sync/review/review-machine.ts";
import { createSessions } from "../../cloud-sync/review/sessions.ts";
import { createStreams } from "../../cloud-sync/review/stream.ts";
import {
  reviewLimits,
  type Cancel,
  type Clock,
  type Hasher,
  type HoldpointError,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { serveHttp } from "../../protocol/platform/http-server.node.ts";
import { createAgentReviewStore } from "./agent-review-store.ts";
import { type CaseSource } from "./case-source.ts";
import { pageRoutes } from "./page-assets.node.ts";
import { pairingSheet, reachableHost, type PairingSheet } from "./pairing.node.ts";
import { encodePng } from "./png-encoder.node.ts";

/** The in-store review page on its own listener, for the local network (design 4.3). */
export interface ReviewListenerOptions {
  readonly source: CaseSource;
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly hasher: Hasher;
  /** Name of the store as the page shows it. */
  readonly storeName: string;
  /** 32 bytes that outlive the process: sessions then outlive a restart. Without it a restart asks for the PIN again. */
  readonly secret?: Uint8Array;
  readonly policy?: Partial<ReviewPolicy>;
  /** Where the built page lies; found by itself from the package and from the source. */
  readonly assetsDir?: string;
  /** Told of every new PIN, so that a terminal can show it. */
  readonly onPairing?: (sheet: PairingSheet) => void;
  readonly onRefused?: (error: HoldpointError) => void;
}

export interface RunningReview {
  readonly port: number;
  /** Address of the page, as others on the local network reach it. */
  readonly url: string;
  /** What a person scans and types now. */
  pairing(): PairingSheet;
  /** Ends streams, stops listening, commits the answers whose undo window is open. */
  close(): Promise<void>;
}

/** Errors: HP_PORT, HP_NOT_FOUND (the page was not built). */
export async function startReview(options: ReviewListenerOptions): Promise<RunningReview> {
  const { clock, timers, random, hasher, logger, host, onRefused } = options;
  let url = "";
  const { onPairing } = options;
  const pairing = createPairing({
    clock,
    random,
    hasher,
    ...(onPairing ? { onOffer: (offer) => onPairing(pairingSheet(url, offer)) } : {}),
  });
  const pages = await pageRoutes(options.assetsDir);
  const policy = { ...defaultReviewPolicy, ...options.policy };
  const store = await createAgentReviewStore({ ...options, policy, encodePng });
  const streams = createStreams(timers);
  const sessions = createSessions({ clock, random, hasher, secret: options.secret ?? random.bytes(32) });
  const routes = reviewRoutes({
    ...{ store, storeName: options.storeName, pairing, sessions, streams, clock, leaseMs: policy.leaseMs },
    isSecure: false,
    isOwnHost: isLocalHost([hostname()]),
  });
  const server = await serveHttp({
    ...{ routes: [...pages, ...routes], host, port: options.port, logger },
    bodyBytesMax: reviewLimits.bodyBytesMax,
    connectionsMax: 256,
    ...(onRefused ? { onRefused } : {}),
  }).catch(async (cause: unknown) => {
    await store.close();
    throw cause;
  });
  url = `http://${reachableHost(host)}:${server.port}/review`;
  const stopRenewing = renewOffers(pairing, clock, timers);
  logger.info("review_listening", { url });
  return {
    port: server.port,
    url,
    pairing: () => pairingSheet(url, pairing.offer()),
    close: async () => {
      stopRenewing();
      streams.closeAll();
      await server.close();
      await store.close();
    },
  };
}

/** A PIN that nobody used ends by itself, so that whatever shows it shows one that holds. */
function renewOffers(pairing: Pairing, clock: Clock, timers: Timers): Cancel {
  let cancel: Cancel = () => undefined;
  const wait = (): void => {
    const leftMs = Math.max(0, pairing.offer().expiresAtMs - clock.monotonicMs());
    cancel = timers.after(Math.ceil(leftMs), wait);
  };
  wait();
  return () => cancel();
}
