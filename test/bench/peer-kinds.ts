import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { assembled, benchFolder, startTraffic, type PeerKind, type PeerPlace } from "./peer-place.ts";
import { listening, startPeer, type Environment } from "./peer-process.ts";
import { missingModules, missingPrograms, python, startMariadb, startRedis } from "./peer-servers.ts";

const peersFolder = join(benchFolder, "peers");
const redisPrograms = { "redis-server": "redis-server", "redis-cli": "redis-tools" };

async function toInstall(...lists: readonly Promise<readonly string[]>[]): Promise<string | null> {
  const packages = (await Promise.all(lists)).flat();
  return packages.length === 0 ? null : `apt-get install ${packages.join(" ")}`;
}

/** What the edge agent replaces: an API, a Redis stream with late acknowledgement, a Python worker, an audit table. */
export const fastapiPeer: PeerKind = {
  name: "FastAPI + Redis Streams + MariaDB",
  missing: () =>
    toInstall(
      missingPrograms({ ...redisPrograms, mariadbd: "mariadb-server", mariadb: "mariadb-client" }),
      missingModules({
        ...{ fastapi: "python3-fastapi", uvicorn: "python3-uvicorn", uvloop: "python3-uvloop" },
        ...{ httptools: "python3-httptools", redis: "python3-redis", hiredis: "python3-hiredis" },
        ...{ MySQLdb: "python3-mysqldb", msgpack: "python3-msgpack", numpy: "python3-numpy" },
      }),
    ),
  start: (place) =>
    assembled(async (undo) => {
      const redis = await startRedis(place, "fastapi");
      undo.add(redis.stop);
      const mariadb = await startMariadb(place, "fastapi");
      undo.add(mariadb.stop);
      const options = inPython(place, {
        PEER_REDIS_PORT: String(redis.port),
        PEER_MARIADB_PORT: String(mariadb.port),
      });
      const worker = startPeer("decision worker", [python, join(peersFolder, "decision_worker.py")], options);
      undo.add(worker.stop);
      await worker.line();
      const port = await freePort();
      const api = startPeer(
        "decision API",
        [
          ...[python, "-m", "uvicorn", "decision_api:app", "--host", "127.0.0.1", "--port", String(port)],
          ...["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"],
          // A process for each of two cores; on a busy machine one was not faster.
          ...["--workers", "2"],
        ],
        options,
      );
      undo.add(api.stop);
      await listening(port, api);
      const traffic = await httpTraffic(place, fastapiPeer.name, port, "/decision/late_delivery");
      undo.add(traffic.stop);
      const pids = [redis, mariadb, worker, api].map(({ pid }) => pid);
      return {
        contestants: [{ name: fastapiPeer.name, pids, traffic }],
        durable: async () => Number(await mariadb.ask(["SELECT COUNT(*) FROM peer.decisions"])),
        stop: () => undo.all(),
      };
    }),
};

export const celeryPeer: PeerKind = {
  name: "Celery",
  missing: () =>
    toInstall(
      missingPrograms(redisPrograms),
      missingModules({ celery: "python3-celery", redis: "python3-redis", numpy: "python3-numpy" }),
    ),
  start: (place) =>
    assembled(async (undo) => {
      const redis = await startRedis(place, "celery");
      undo.add(redis.stop);
      const options = inPython(place, { PEER_REDIS_PORT: String(redis.port) });
      const worker = startPeer(
        "celery",
        [
          ...[python, "-m", "celery", "-A", "celery_app", "worker", "--concurrency", "2", "--loglevel", "WARNING"],
          ...["--without-gossip", "--without-mingle", "--without-heartbeat"],
        ],
        options,
      );
      undo.add(worker.stop);
      const traffic = await startTraffic("celery", [python, join(peersFolder, "celery_traffic.py")], options);
      undo.add(traffic.stop);
      return {
        contestants: [{ name: celeryPeer.name, pids: [redis.pid, worker.pid], traffic }],
        // One key a result.
        durable: async () => Number(await redis.ask(["-n", "1", "DBSIZE"])),
        stop: () => undo.all(),
      };
    }),
};

export const bullmqPeer: PeerKind = {
  name: "BullMQ",
  missing: () => toInstall(missingPrograms(redisPrograms)),
  start: (place) =>
    assembled(async (undo) => {
      const redis = await startRedis(place, "bullmq");
      undo.add(redis.stop);
      const environment = { ...place.environment, PEER_REDIS_PORT: String(redis.port) };
      const options = { cwd: place.folder, environment };
      const worker = startPeer(
        "bullmq worker",
        [process.execPath, join(peersFolder, "bullmq-worker.node.ts")],
        options,
      );
      undo.add(worker.stop);
      await worker.line();
      const program = join(benchFolder, "traffic-bullmq.node.ts");
      const traffic = await startTraffic("bullmq", [process.execPath, program], options);
      undo.add(traffic.stop);
      return {
        contestants: [{ name: bullmqPeer.name, pids: [redis.pid, worker.pid], traffic }],
        durable: async () => Number(await redis.ask(["ZCARD", "bull:decisions:completed"])),
        stop: () => undo.all(),
      };
    }),
};

export function httpTraffic(
  place: PeerPlace,
  name: string,
  port: number,
  path: string,
  secrets: readonly string[] = [],
): ReturnType<typeof startTraffic> {
  return startTraffic(
    name,
    [
      ...[process.execPath, join(benchFolder, "traffic-http.node.ts"), "--port", String(port), "--path", path],
      ...["--secrets", JSON.stringify(secrets)],
    ],
    { cwd: place.folder, environment: place.environment },
  );
}

function inPython(place: PeerPlace, more: Environment): { readonly cwd: string; readonly environment: Environment } {
  // The small matrices here gain nothing from threads, and lose to the others' by them.
  const threads = { OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1" };
  const paths = { PYTHONPATH: peersFolder, PYTHONDONTWRITEBYTECODE: "1" };
  return { cwd: place.folder, environment: { ...place.environment, ...threads, ...paths, ...more } };
}
