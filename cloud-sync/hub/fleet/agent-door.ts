import {
  checkSignature,
  HoldpointError,
  readSignature,
  RecentMap,
  type Clock,
  type Exchange,
  type Hasher,
} from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { type HubDatabase } from "../database/database.ts";

/**
 * Tells which agent signed a call. A key is read from the database once and kept until news say that it changed, so a
 * revocation counts everywhere within the time that news take. What an agent reports of itself changes no key.
 */
export interface AgentDoorOptions {
  readonly database: HubDatabase;
  readonly clock: Clock;
  readonly hasher: Hasher;
  /** Ed25519 over a raw public key in base64url, beside the event loop; null where it is none. */
  readonly verifier: (publicKey: string) => Verify | null;
}

type Verify = (bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>;

interface KnownAgent {
  readonly caller: AgentCaller;
  readonly revoked: boolean;
  readonly verify: Verify;
}

/** Agents whose keys are in memory; the rest is read again. */
const agentsMax = 50_000;
/** Calls that a replay is looked for among: at a thousand calls a second more than a minute of them. */
const noncesMax = 100_000;

export interface AgentDoor {
  /** Throws HP_UNAUTHORIZED, HP_CLOCK, HP_REVOKED, HP_DATABASE. */
  agent(exchange: Exchange, body: Uint8Array): Promise<AgentCaller>;
  close(): void;
}

export function createAgentDoor(options: AgentDoorOptions): AgentDoor {
  const { database, clock, hasher } = options;
  const known = new RecentMap<string, KnownAgent>(agentsMax);
  const nonces = new RecentMap<string, true>(noncesMax);
  /** Raised by every piece of news that takes a key away: a row that was read before it is not kept. */
  let changes = 0;
  const stop = database.onNews((news) => {
    if (news.kind !== "resync" && (news.kind !== "agent" || news.isReport === true)) return;
    changes += 1;
    if (news.kind === "agent") known.delete(news.agentId);
    else known.clear();
  });

  async function read(agentId: string): Promise<KnownAgent | null> {
    const before = changes;
    const row = await database.read((db) =>
      db
        .selectFrom("agents")
        .select(["agent_id", "store", "name", "public_key", "state"])
        .where("agent_id", "=", agentId)
        .executeTakeFirst(),
    );
    const verify = row ? options.verifier(row.public_key) : null;
    if (!row || !verify) return null;
    const caller: AgentCaller = { kind: "agent", agentId: row.agent_id, store: row.store, name: row.name };
    const found = { caller, revoked: row.state === "revoked", verify };
    if (changes === before) known.set(agentId, found);
    return found;
  }

  return {
    agent: async (exchange, body) => {
      const signature = readSignature((name) => exchange.header(name));
      if (!signature.ok) throw signature.error;
      const { keyId, nonce } = signature.value.facts;
      const agent = known.get(keyId) ?? (await read(keyId));
      // An unknown key and a wrong signature are told apart by nobody outside.
      if (!agent) throw new HoldpointError("HP_UNAUTHORIZED", "the signature does not fit the request", unknownHint);
      const { pathname, search } = new URL(exchange.request.url);
      const request = { method: exchange.request.method, path: pathname, query: search, body };
      const digest = exchange.header("content-digest");
      const checked = await checkSignature(request, signature.value, digest, clock.wallMs(), hasher, agent.verify);
      if (!checked.ok) throw checked.error;
      if (agent.revoked) throw new HoldpointError("HP_REVOKED", `the agent ${agent.caller.name} was shut out`);
      const used = `${keyId} ${nonce}`;
      if (nonces.get(used)) throw new HoldpointError("HP_UNAUTHORIZED", "this signature was used before", replayHint);
      nonces.set(used, true);
      return agent.caller;
    },
    close: stop,
  };
}

const unknownHint = { hint: "Enrol this agent: holdpoint agent --hub <url> --enrol <token>." };
const replayHint = { hint: "Sign each call anew; a call may be sent again, its signature may not." };
