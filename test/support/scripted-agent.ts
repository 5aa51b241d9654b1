import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { Aedes, type Client } from "aedes";
import {
  bodyDigest,
  deviceTopic,
  encodeMessage,
  HoldpointError,
  jsonResponse,
  parseDeviceTopic,
  parseRequest,
  problemResponse,
  silentLogger,
  toHex,
  type Decision,
  type DecisionRequest,
  type Route,
} from "../../protocol/index.ts";
import { encodePublish } from "../../edge-agent/broker/frame.ts";
import { serveHttp, type RunningHttpServer } from "../../protocol/platform/http-server.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

/**
 * An agent that does what a test tells it, over a real aedes and a real HTTP server: the client's counterpart, with a
 * journal that outlives `stop()` and `start()`. It answers the same id and body with the same decision, as agents must.
 */
export interface AgentScript {
  /** Asked for each request before it is made durable. Default: "take". */
  intake?: (request: DecisionRequest, time: number) => "take" | "busy" | "ignore" | HoldpointError;
  /** What a request becomes: a final decision, a pending one, or nothing yet. Default: "final". */
  verdict?: (request: DecisionRequest) => "final" | "pending" | "undecided";
  /** Copies of each decision that are sent. Default 1. */
  copies?: number;
  retryAfterMs?: number;
  /** Acknowledge without making anything durable, as an external broker does. */
  forgetful?: boolean;
}

export interface ScriptedCase {
  readonly request: DecisionRequest;
  readonly digest: string;
  readonly revisions: Decision[];
}

export class ScriptedAgent {
  readonly store = "store_1";
  readonly device = "camera-1";
  readonly secret = "secret-1";
  script: AgentScript = {};
  /** The journal. */
  readonly cases = new Map<string, ScriptedCase>();
  /** Every request that came, repeats too. */
  readonly heard: string[] = [];
  readonly outcomes: unknown[] = [];
  readonly events: unknown[] = [];
  readonly authorizations: (string | null)[] = [];
  connections = 0;
  /** Decisions that the device has not acknowledged. */
  readonly #undelivered = new Map<string, Decision>();
  /** `<client>/<packet id>` → the revision under it. */
  readonly #inFlight = new Map<string, string>();
  readonly #subscribers = new Set<Client>();
  readonly #sockets = new Set<Socket>();
  readonly #times = new Map<string, number>();
  #messageId = 0;
  #broker: Aedes | null = null;
  #server: Server | null = null;
  #http: RunningHttpServer | null = null;
  #port = 0;
  #httpPort = 0;
  #changed: (() => void)[] = [];

  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}/${this.store}`;
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${this.#httpPort}`;
  }

  get undelivered(): number {
    return this.#undelivered.size;
  }

  async start(): Promise<this> {
    const broker = await Aedes.createBroker();
    broker.authenticate = (client, username, password, done) => {
      const good =
        username === this.device && password?.toString() === this.secret && client.id.startsWith(this.device);
      const refusal = Object.assign(new Error("bad secret"), { returnCode: 4 });
      done(good ? null : refusal, good);
    };
    broker.authorizePublish = (client, packet, callback) => {
      if (client === null) callback(null);
      else if (this.#published(packet.topic, packet.payload as Uint8Array)) callback(null);
      // else: the PUBACK is withheld.
    };
    broker.on("subscribe", (subscriptions, client) => {
      if (!subscriptions.some(({ topic }) => topic.endsWith("/decision"))) return;
      this.#subscribers.add(client);
      for (const decision of this.#undelivered.values()) this.#deliver(client, decision);
    });
    broker.on("clientDisconnect", (client) => this.#subscribers.delete(client));
    // aedes tells of a PUBACK only by asking its persistence to forget the packet.
    const { persistence } = broker as unknown as { readonly persistence: Persistence };
    persistence.outgoingClearMessageId = (client, { messageId }) => {
      const key = this.#inFlight.get(`${client.id}/${messageId}`);
      if (key !== undefined) this.#undelivered.delete(key);
      return Promise.resolve();
    };
    this.#broker = broker;
    this.#server = createServer((socket) => {
      this.connections += 1;
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      broker.handle(socket);
    });
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as { port: number }).port;
    this.#http = await serveHttp({
      routes: this.#routes(),
      host: "127.0.0.1",
      port: this.#httpPort,
      bodyBytesMax: 1e7,
      connectionsMax: 1000,
      logger: silentLogger,
    });
    this.#httpPort = this.#http.port;
    return this;
  }

  /** Dies without a word; the journal stays. */
  async stop(): Promise<void> {
    this.cut();
    const [broker, server, http] = [this.#broker, this.#server, this.#http];
    this.#broker = this.#server = this.#http = null;
    await Promise.all([
      http?.close(0),
      server === null ? null : new Promise((resolve) => server.close(resolve)),
      broker === null ? null : new Promise<void>((resolve) => broker.close(resolve)),
    ]);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Cuts every MQTT connection in the middle of whatever it does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** A person answers. */
  finish(id: string, label = "by-a-person"): void {
    const found = this.cases.get(id);
    if (!found) throw new Error(`no case ${id}`);
    const revision = found.revisions.length + 1;
    this.#revise(found, {
      ...makeDecision(found.request, revision, "final"),
      decidedBy: "reviewer",
      answer: { label },
    });
  }

  decide(id: string): void {
    const found = this.cases.get(id);
    if (!found) throw new Error(`no case ${id}`);
    this.#revise(found, makeDecision(found.request, found.revisions.length + 1, "final"));
  }

  publishRaw(channel: "decision" | "error" | "received", payload: Uint8Array): void {
    this.#broker?.publish(packetOf(deviceTopic(this.store, this.device, channel), payload), () => undefined);
  }

  /** True if it may be acknowledged. */
  #published(topic: string, payload: Uint8Array): boolean {
    const channel = parseDeviceTopic(topic)?.channel;
    if (channel === "outcome") this.outcomes.push(payload);
    if (channel === "event") this.events.push(payload);
    if (channel !== "request") return true;
    const taken = this.#take(payload);
    if (taken instanceof HoldpointError) {
      const id = parseRequest(payload);
      this.publishRaw("error", encodeMessage(taken.body(id.ok ? id.value.id : id.id), "json"));
      return taken.retry !== "backoff";
    }
    if (taken === null) return this.script.forgetful === true;
    const latest = taken.revisions.at(-1);
    if (latest && !this.#undelivered.has(keyOf(latest))) setImmediate(() => this.#publish(latest));
    return true;
  }

  #take(payload: Uint8Array): ScriptedCase | HoldpointError | null {
    const parsed = parseRequest(payload);
    if (!parsed.ok) return parsed.error;
    const request = parsed.value;
    this.heard.push(request.id);
    const time = (this.#times.get(request.id) ?? 0) + 1;
    this.#times.set(request.id, time);
    const word = this.script.intake?.(request, time) ?? "take";
    if (word === "ignore") return null;
    if (word === "busy") {
      return new HoldpointError("HP_BUSY", "not now", { retryAfterMs: this.script.retryAfterMs ?? 20 });
    }
    if (word instanceof HoldpointError) return word;
    const digest = toHex(bodyDigest(nodeHasher, request));
    const known = this.cases.get(request.id);
    if (known) return known.digest === digest ? known : new HoldpointError("HP_CONFLICT", "another body");
    const made: ScriptedCase = { request, digest, revisions: [] };
    this.cases.set(request.id, made);
    const verdict = this.script.verdict?.(request) ?? "final";
    if (verdict !== "undecided") this.#revise(made, makeDecision(request, 1, verdict));
    return made;
  }

  #revise(made: ScriptedCase, decision: Decision): void {
    made.revisions.push(decision);
    this.#undelivered.set(keyOf(decision), decision);
    setImmediate(() => this.#publish(decision));
    for (const wake of this.#changed.splice(0)) wake();
  }

  #publish(decision: Decision): void {
    for (const client of this.#subscribers) this.#deliver(client, decision);
  }

  #deliver(client: Client, decision: Decision): void {
    for (let copy = 0; copy < (this.script.copies ?? 1); copy += 1) {
      const messageId = (this.#messageId = (this.#messageId % 65_535) + 1);
      this.#inFlight.set(`${client.id}/${messageId}`, keyOf(decision));
      const topic = Buffer.from(deviceTopic(this.store, this.device, "decision"));
      // Past aedes, which does not tell the packet ids that it gives.
      (client.conn as Socket).write(
        encodePublish({ topic, payload: encodeMessage(decision, "msgpack"), packetId: messageId, dup: false }),
      );
    }
  }

  #routes(): readonly Route[] {
    const guarded =
      (handle: Route["handle"]): Route["handle"] =>
      (exchange) => {
        const given = exchange.request.headers.get("authorization");
        this.authorizations.push(given);
        if (given === `Bearer ${this.device}.${this.secret}`) return handle(exchange);
        return problemResponse(new HoldpointError("HP_UNAUTHORIZED", "wrong secret"));
      };
    return [
      {
        method: "POST",
        path: "/v1/decisions",
        handle: guarded(async (exchange) => {
          const taken = this.#take(await exchange.body());
          if (taken instanceof HoldpointError) return problemResponse(taken);
          if (taken === null) return new Promise<Response>(() => undefined);
          await this.#until(() => taken.revisions.length > 0, Number(exchange.query.get("wait") ?? 0));
          return this.#answer(taken);
        }),
      },
      {
        method: "GET",
        path: "/v1/decisions/:id",
        handle: guarded(async (exchange) => {
          const found = this.cases.get(exchange.params["id"] ?? "");
          if (!found) return problemResponse(new HoldpointError("HP_NOT_FOUND", "no such case"));
          await this.#until(() => found.revisions.at(-1)?.status === "final", Number(exchange.query.get("wait") ?? 0));
          return this.#answer(found);
        }),
      },
      {
        method: "POST",
        path: "/v1/decisions/:id/outcome",
        handle: guarded(async (exchange) => {
          this.outcomes.push(await exchange.body());
          return jsonResponse({ id: exchange.params["id"] }, 202);
        }),
      },
      {
        method: "POST",
        path: "/v1/events",
        handle: guarded(async (exchange) => {
          this.events.push(await exchange.body());
          return jsonResponse({}, 202);
        }),
      },
    ];
  }

  #answer({ request, revisions }: ScriptedCase): Response {
    const latest = revisions.at(-1);
    if (latest === undefined) return jsonResponse({ id: request.id, status: "processing" }, 202);
    this.#undelivered.delete(keyOf(latest));
    return jsonResponse(latest);
  }

  async #until(holds: () => boolean, waitMs: number): Promise<void> {
    const end = performance.now() + waitMs;
    while (!holds() && performance.now() < end) {
      await new Promise<void>((resolve) => {
        this.#changed.push(resolve);
        setTimeout(resolve, Math.max(1, end - performance.now()));
      });
    }
  }
}

export function makeDecision(
  request: Pick<DecisionRequest, "id" | "task">,
  revision: number,
  status: Decision["status"],
): Decision {
  return {
    v: 1,
    id: request.id,
    revision,
    task: request.task,
    status,
    verdict: status === "final" && revision === 1 ? "accept" : "escalate",
    decidedBy: "model",
    answer: { label: `label-of-${request.id.slice(-4)}` },
    confidence: 0.9,
    score: 0.9,
    gateThreshold: 0.5,
    certificate: null,
    reasons: [status === "final" ? "confident" : "below_gate"],
    model: null,
    config: { revision: 1, digest: "sha256:00" },
    provider: "cpu",
    at: 1_795_000_000_000,
    latencyMs: 1,
    explanation: null,
  };
}

function keyOf(decision: Decision): string {
  return `${decision.id}/${decision.revision}`;
}

interface Persistence {
  outgoingClearMessageId: (client: Client, packet: { readonly messageId: number }) => Promise<unknown>;
}

function packetOf(topic: string, payload: Uint8Array): Parameters<Aedes["publish"]>[0] {
  return { cmd: "publish", topic, payload: Buffer.from(payload), qos: 0, retain: false, dup: false };
}
