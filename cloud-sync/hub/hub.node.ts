import { join } from "node:path";
import { type Logger } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { serveHttp, type RunningHttpServer } from "../../protocol/platform/http-server.node.ts";
import { signatureVerifier } from "../../protocol/platform/signing.node.ts";
import { isLocalHost } from "../review/guards.ts";
import { gatewayRoutes } from "./api/gateway.ts";
import { createRepeats } from "./api/repeats.ts";
import { createAuditTrail } from "./audit/audit-trail.ts";
import { openFileBlobs } from "./blobs/file-blobs.node.ts";
import { createPictureVault } from "./blobs/picture-vault.node.ts";
import { uploadRoutes } from "./blobs/uploads.ts";
import { silentCaseListener } from "./cases/case-opening.ts";
import { openHubDatabase } from "./database/open-database.node.ts";
import { feedRoutes } from "./feed/feed.ts";
import { createAgentDoor } from "./fleet/agent-door.ts";
import { enrolmentRoutes } from "./fleet/enrolment.ts";
import { heartbeatRoutes } from "./fleet/heartbeats.ts";
import { openHubKey } from "./hub-key.node.ts";
import { ingestRoutes } from "./ingest/ingest.ts";
import { createApiToken, hasApiTokens, programOf } from "./people/api-tokens.ts";
import { type HubParts, type HubRoom } from "./room.ts";

export interface HubOptions {
  /** Directory of the hub: its SQLite database unless `database` names another, its pictures. */
  readonly dataDir: string;
  /** `postgres://…`: any number of hub processes share it. */
  readonly database?: string;
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** Names under which people call this hub, beside addresses and the local network's names. */
  readonly ownHosts?: readonly string[];
  readonly logger: Logger;
  /** Told once, at the first start: the token with which an admin begins. */
  readonly onAdminToken?: (token: string) => void;
}

export interface RunningHub {
  readonly hubId: string;
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

const bodyBytesMax = 256 * 1024;
/** The largest body that any route takes; each route has its own bound below it. */
const bodyBytesMaxAny = 9 * 1024 * 1024;
const connectionsMax = 20_000;

/**
 * Starts a hub and resolves when it listens. Errors: HP_LOCKED (another hub has the directory), HP_DATABASE, HP_PORT,
 * HP_RUNTIME_MISSING.
 *
 * @example
 * const hub = await startHub({ dataDir: "hub", host: "127.0.0.1", port: 8790, logger });
 */
export async function startHub(options: HubOptions): Promise<RunningHub> {
  const { dataDir, logger } = options;
  const shared = { clock: systemClock, timers: systemTimers, random: systemRandom, hasher: nodeHasher, logger };
  const { database, hubId } = await openHubDatabase({ ...shared, url: options.database ?? dataDir });
  const undo: (() => Promise<void> | void)[] = [() => database.close()];
  const closeAll = async (): Promise<void> => {
    for (const close of undo.splice(0).reverse()) await close();
  };
  try {
    const audit = createAuditTrail(hubId, systemClock, nodeHasher);
    const parts: HubParts = { ...shared, hubId, database, audit };
    const rooms = await openRooms(parts, options);
    const door = createAgentDoor({ ...shared, database, verifier: signatureVerifier });
    undo.push(() => door.close());
    const routes = gatewayRoutes(
      rooms.flatMap((room) => room.routes),
      {
        doors: {
          agent: (exchange, body) => door.agent(exchange, body),
          person: async (exchange) => {
            const program = await programOf(parts, exchange);
            return program && { caller: program, isBrowser: false };
          },
        },
        repeats: createRepeats(parts),
        isOwnHost: isLocalHost(options.ownHosts ?? []),
        bodyBytesMax,
      },
    );
    await greetAdmin(parts, options);
    const server = await serveHttp({
      ...{ routes, host: options.host, port: options.port, logger },
      bodyBytesMax: bodyBytesMaxAny,
      connectionsMax,
    });
    undo.push(() => server.close());
    for (const room of rooms) if (room.start) undo.push(room.start());
    logger.info("hub_listening", { url: server.url, database: database.kind });
    return runningHub(hubId, server, closeAll);
  } catch (cause) {
    await closeAll();
    throw cause;
  }
}

/** Opens every room; what they are to each other is decided here and nowhere else. */
async function openRooms(parts: HubParts, options: HubOptions): Promise<readonly HubRoom[]> {
  const vault = createPictureVault(parts.database, await openFileBlobs(join(options.dataDir, "blobs")));
  const key = await openHubKey(parts.database);
  const isPublicKey = (text: string): boolean => signatureVerifier(text) !== null;
  return [
    { routes: enrolmentRoutes({ ...parts, hubPublicKey: key.publicKey, isPublicKey }) },
    { routes: heartbeatRoutes(parts) },
    { routes: ingestRoutes({ ...parts, vault, listener: silentCaseListener }) },
    { routes: uploadRoutes({ ...parts, vault }) },
    { routes: feedRoutes(parts) },
  ];
}

async function greetAdmin(parts: HubParts, { onAdminToken }: HubOptions): Promise<void> {
  if (!onAdminToken || (await hasApiTokens(parts))) return;
  const { token } = await createApiToken(parts, "hub", { name: "admin", roles: ["admin"], validMs: null });
  onAdminToken(token);
}

function runningHub(hubId: string, server: RunningHttpServer, closeAll: () => Promise<void>): RunningHub {
  let closing: Promise<void> | null = null;
  return { hubId, port: server.port, url: server.url, close: () => (closing ??= closeAll()) };
}
