import { join } from "node:path";
import { HoldpointError, type Exchange, type Logger, type Route } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { serveHttp } from "../../protocol/platform/http-server.node.ts";
import { asideVerifier, signatureVerifier } from "../../protocol/platform/signing.node.ts";
import { isLocalHost } from "../review/guards.ts";
import { callLimits } from "./api/call-limits.ts";
import { clientAddress } from "./api/client-address.ts";
import { gatewayRoutes } from "./api/gateway.ts";
import { proxyList } from "./api/proxies.node.ts";
import { type HubRoute } from "./api/hub-route.ts";
import { createRepeats } from "./api/repeats.ts";
import { withReference } from "./api/reference-routes.ts";
import { stateRoutes } from "./api/state-routes.ts";
import { auditRoutes } from "./audit/audit-routes.ts";
import { createAuditTrail } from "./audit/audit-trail.ts";
import { openFileBlobs } from "./blobs/file-blobs.node.ts";
import { createPictureVault } from "./blobs/picture-vault.node.ts";
import { createSealer } from "./blobs/sealing-thread.node.ts";
import { uploadRoutes } from "./blobs/uploads.ts";
import { openHubDatabase } from "./database/open-database.node.ts";
import { outageLogger } from "./database/outage-log.ts";
import { isPostgresUrl } from "./database/postgres-url.ts";
import { dropInRoutes } from "./drop-in/drop-in.ts";
import { feedRoutes } from "./feed/feed.ts";
import { createAgentDoor } from "./fleet/agent-door.ts";
import { enrolmentRoutes } from "./fleet/enrolment.ts";
import { heartbeatRoutes } from "./fleet/heartbeats.ts";
import { createGatePort, samplingListener } from "./gate/gate-listener.ts";
import { openHubKey } from "./hub-key.node.ts";
import { ingestRoutes } from "./ingest/ingest.ts";
import { createHubMetrics } from "./metrics.node.ts";
import { type DomainRule } from "./people/identities.ts";
import { createOidcClient, type OidcClientOptions } from "./people/oidc-client.node.ts";
import { createPasswords, type PasswordCost } from "./people/password.node.ts";
import { createFirstAdmin, createPeople, type PeopleOptions } from "./people/people.ts";
import { openOperations } from "./operations.node.ts";
import { hubPageRoutes } from "./page-assets.node.ts";
import { type ReviewPolicy } from "../review/review-machine.ts";
import { createReviewRoom } from "./review/review-room.ts";
import { type HubParts, type HubRoom } from "./room.ts";
import { tellingListener } from "./webhooks/case-events.ts";
import { createWebhookOutlet } from "./webhooks/webhook-outlet.ts";

export interface HubOptions {
  /** Directory of the hub: its SQLite database unless `database` names another, its pictures. */
  readonly dataDir: string;
  /** `postgres://…`: any number of hub processes share it. */
  readonly database?: string;
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /**
   * Where people reach this hub, for instance behind a proxy that ends TLS: `https://hub.example`. With `https:` its
   * cookies are Secure. Without it the hub answers to addresses and to names of the local network.
   */
  readonly publicUrl?: string;
  /** Names under which the hub is called beside that: for instance its service name in a cluster. */
  readonly ownHosts?: readonly string[];
  /** Addresses or networks (`10.0.0.0/8`) of the proxies before this hub: their X-Forwarded-For is believed. */
  readonly proxies?: readonly string[];
  /** An OpenID Connect provider that people may sign in with; it needs `publicUrl`, where the browser comes back to. */
  readonly oidc?: HubOidcOptions;
  /** Work of one look at a password; the default is what is advised, and tests have many people to sign in. */
  readonly passwordCost?: PasswordCost;
  /** Addresses and networks that webhooks may reach although they are private: `10.1.2.3`, `10.1.0.0/16`. */
  readonly allowedWebhookHosts?: readonly string[];
  /** Leases and undo windows, where they are to be others than the hub's own. */
  readonly reviewPolicy?: Partial<ReviewPolicy>;
  /** Where the built pages are; those of this package unless told. */
  readonly pagesDir?: string;
  readonly logger: Logger;
  /** Told once, at the first start: the token with which an admin begins, and where the account `admin` is taken up. */
  readonly onAdminToken?: (token: string, invitationPath: string | null) => void;
}

export interface HubOidcOptions extends Omit<OidcClientOptions, "redirectUri"> {
  /** What the page calls it. */
  readonly name: string;
  /** Whose accounts are made by themselves; everybody else waits for an admin. */
  readonly rule?: DomainRule;
}

export interface RunningHub {
  readonly hubId: string;
  readonly port: number;
  readonly url: string;
  /** Everything that may be asked of it, as its reference tells it. */
  readonly operations: readonly HubRoute[];
  close(): Promise<void>;
}

const bodyBytesMax = 256 * 1024;
/** The largest body that any route takes; each route has its own bound below it. */
const bodyBytesMaxAny = 9 * 1024 * 1024;
const connectionsMax = 20_000;
/** An agent on a slow line has a little less for its largest call: half a minute and what 4 MB take at 32 KB/s. */
const requestMsMax = 170_000;

/**
 * Starts a hub and resolves when it listens. Errors: HP_LOCKED (another hub has the directory), HP_DATABASE, HP_PORT,
 * HP_RUNTIME_MISSING, HP_DISK_FULL, HP_USAGE (`database` is no address of a PostgreSQL).
 *
 * @example
 * const hub = await startHub({ dataDir: "hub", host: "127.0.0.1", port: 8790, logger });
 */
export async function startHub(options: HubOptions): Promise<RunningHub> {
  const { dataDir } = options;
  const logger = outageLogger(options.logger, systemClock);
  const shared = { clock: systemClock, timers: systemTimers, random: systemRandom, hasher: nodeHasher, logger };
  if (options.database !== undefined && !isPostgresUrl(options.database)) {
    // It would be taken for a directory, and an empty hub would start in it.
    throw new HoldpointError("HP_USAGE", "`database` is the address of a PostgreSQL: postgres://…");
  }
  const { database, hubId } = await openHubDatabase({ ...shared, url: options.database ?? dataDir });
  const undo: (() => Promise<void> | void)[] = [() => database.close()];
  const closeAll = async (): Promise<void> => {
    for (const close of undo.splice(0).reverse()) await close();
  };
  try {
    const audit = createAuditTrail(hubId, systemClock, nodeHasher);
    const events = createWebhookOutlet({ ...shared, database });
    const parts: HubParts = { ...shared, hubId, database, audit, events };
    const isProxy = proxyList(options.proxies ?? []);
    const addressOf = (exchange: Exchange): string => clientAddress(exchange, isProxy);
    const publicOrigin = options.publicUrl === undefined ? null : publicOriginOf(options.publicUrl);
    const people = createPeople({
      parts,
      passwords: createPasswords(options.passwordCost),
      publicUrl: publicOrigin,
      addressOf,
      oidc: options.oidc === undefined ? null : await openOidc(options.oidc, publicOrigin),
    });
    const metrics = createHubMetrics();
    undo.push(() => metrics.close());
    const state: HubRoom = { routes: stateRoutes({ database, metricsText: () => metrics.text() }) };
    const rooms = [state, people, ...(await openRooms(parts, options, undo))];
    const door = createAgentDoor({ ...shared, database, verifier: asideVerifier });
    undo.push(() => door.close());
    const operations = withReference(rooms.flatMap((room) => room.routes));
    const routes = gatewayRoutes(operations, {
      doors: {
        agent: (exchange, body) => door.agent(exchange, body),
        person: people.person,
      },
      repeats: createRepeats(parts),
      isOwnHost: isLocalHost(options.ownHosts ?? []),
      ...(publicOrigin === null ? {} : { publicOrigin }),
      admit: callLimits(parts, addressOf),
      observe: metrics.observe,
      bodyBytesMax,
      logger,
    });
    const server = await serveHttp({
      ...{ routes: [...routes, ...(await openPages(options))], host: options.host, port: options.port, logger },
      bodyBytesMax: bodyBytesMaxAny,
      connectionsMax,
      requestTimeoutMs: requestMsMax,
      onConnections: (open) => metrics.connections(open),
    });
    undo.push(() => server.close());
    // Not before it listens: a start that ends at a taken port would make the admin, and tell nobody how to become it.
    await greetAdmin(parts, options);
    for (const room of rooms) if (room.start) undo.push(room.start());
    logger.info("hub_listening", { url: server.url, database: database.kind });
    let closing: Promise<void> | null = null;
    const { port, url } = server;
    return { hubId, port, url, operations, close: () => (closing ??= closeAll()) };
  } catch (cause) {
    await closeAll();
    throw cause;
  }
}

/** Opens every room; what they are to each other is decided here and nowhere else. */
async function openRooms(
  parts: HubParts,
  options: HubOptions,
  undo: (() => Promise<void> | void)[],
): Promise<readonly HubRoom[]> {
  const blobs = await openFileBlobs(join(options.dataDir, "blobs"), parts);
  undo.push(() => blobs.close());
  const sealer = createSealer();
  undo.push(() => sealer.close());
  const vault = createPictureVault(parts.database, blobs, parts.clock, sealer);
  const key = await openHubKey(parts.database);
  const { reviewPolicy } = options;
  const gate = createGatePort(parts);
  const review = createReviewRoom({ ...parts, vault, gate, ...(reviewPolicy ? { policy: reviewPolicy } : {}) });
  const sampling = samplingListener(review.listener, parts);
  const listener = tellingListener(sampling, parts.events);
  const publicUrl = options.publicUrl === undefined ? null : publicOriginOf(options.publicUrl);
  const isPublicKey = (text: string): boolean => signatureVerifier(text) !== null;
  return [
    { routes: enrolmentRoutes({ ...parts, hubPublicKey: key.publicKey, isPublicKey }) },
    { routes: heartbeatRoutes(parts) },
    { routes: ingestRoutes({ ...parts, vault, listener }) },
    { routes: dropInRoutes({ ...parts, vault, listener, publicUrl }) },
    { routes: uploadRoutes({ ...parts, vault }) },
    review,
    { routes: feedRoutes(parts) },
    { routes: auditRoutes({ ...parts, signer: key }) },
    ...openOperations(parts, {
      key,
      vault,
      listener: sampling,
      allowedWebhookHosts: options.allowedWebhookHosts ?? [],
    }),
  ];
}

/** The pages; a hub without them (they were not built) still serves its API. */
async function openPages({ pagesDir, logger }: HubOptions): Promise<readonly Route[]> {
  try {
    return await hubPageRoutes(pagesDir);
  } catch (cause) {
    if (pagesDir !== undefined || !(cause instanceof HoldpointError)) throw cause;
    logger.warn("hub_without_pages", { hint: cause.hint });
    return [];
  }
}

async function greetAdmin(parts: HubParts, { onAdminToken }: HubOptions): Promise<void> {
  const first = onAdminToken ? await createFirstAdmin(parts) : null;
  if (first) onAdminToken?.(first.token, first.invitationPath);
}

/** Errors: HP_USAGE, HP_RUNTIME_MISSING. */
async function openOidc(
  { name, rule, ...client }: HubOidcOptions,
  publicOrigin: string | null,
): Promise<PeopleOptions["oidc"]> {
  if (publicOrigin === null) {
    throw new HoldpointError("HP_USAGE", "a sign-in provider needs --public-url, where browsers come back to");
  }
  const provider = await createOidcClient({ ...client, redirectUri: `${publicOrigin}/v1/oidc/callback` });
  return { name, rule: rule ?? null, provider };
}

/** Errors: HP_USAGE. */
function publicOriginOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "") return url.origin;
  throw new HoldpointError("HP_USAGE", `${JSON.stringify(text)} is no address of a hub`, {
    hint: "Give scheme and host, for instance https://hub.example.",
  });
}
