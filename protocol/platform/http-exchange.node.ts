import { type IncomingMessage, type ServerResponse } from "node:http";
import { HoldpointError } from "../errors.ts";
import { type Exchange } from "../http.ts";

/** Bytes of request bodies that are in memory, over all exchanges of a server. */
export class BodyBudget {
  readonly #bytesMax: number;
  #held = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** False where they do not fit. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#bytesMax) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** An exchange over Node's own request; what costs something is made only when a handler asks for it. */
export class ServedExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  params: Readonly<Record<string, string>> = {};
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #bodyBytesMax: number;
  readonly #budget: BodyBudget;
  readonly #search: string;
  #request: Request | null = null;
  #query: URLSearchParams | null = null;
  #gone: AbortController | null = null;
  #heldBytes = 0;
  #body: Promise<Uint8Array> | null = null;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, bodyBytesMax: number, budget: BodyBudget) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#bodyBytesMax = bodyBytesMax;
    this.#budget = budget;
    this.method = incoming.method ?? "GET";
    const target = incoming.url ?? "/";
    const at = target.indexOf("?");
    this.path = at < 0 ? target : target.slice(0, at);
    this.#search = at < 0 ? "" : target.slice(at);
  }

  get request(): Request {
    return (this.#request ??= this.#makeRequest());
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#search));
  }

  get connection(): object {
    return this.#incoming.socket;
  }

  get remote(): string {
    return this.#incoming.socket.remoteAddress ?? "";
  }

  get isGone(): boolean {
    return this.#outgoing.destroyed && !this.#outgoing.writableFinished;
  }

  get gone(): AbortSignal {
    if (this.#gone === null) {
      const controller = (this.#gone = new AbortController());
      if (this.isGone) controller.abort();
      else {
        this.#outgoing.once("close", () => {
          if (!this.#outgoing.writableFinished) controller.abort();
        });
      }
    }
    return this.#gone.signal;
  }

  header(name: string): string | null {
    const value = this.#incoming.headers[name];
    return typeof value === "string" ? value : (value?.join(", ") ?? null);
  }

  body(): Promise<Uint8Array> {
    return (this.#body ??= this.#take());
  }

  /** A short body has come with its headers and lies in the stream's buffer: to listen for it would cost more than the rest. */
  #take(): Promise<Uint8Array> {
    const here = this.#incoming.readableLength;
    const bytes = Number(this.#incoming.headers["content-length"] ?? 0);
    if (bytes > this.#bodyBytesMax) return Promise.reject(this.#tooLarge());
    if (here === 0 || here !== bytes) return this.#read();
    if (!this.#budget.take(bytes)) return Promise.reject(tooManyBytes());
    this.#heldBytes = bytes;
    const whole = this.#incoming.read() as Uint8Array;
    // Its end still comes; until somebody has let it pass, Node keeps the request with the connection.
    this.#incoming.resume();
    return Promise.resolve(whole);
  }

  /** Reads Node's own stream: the length is checked while reading as well, and nothing is copied twice. */
  #read(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    // Not `for await`: leaving it would destroy the request, and with it the socket that the refusal goes out on.
    return new Promise((resolve, reject) => {
      const incoming = this.#incoming;
      const end = (settle: () => void): void => {
        incoming.off("data", take);
        incoming.off("end", whole);
        incoming.off("close", broken);
        settle();
      };
      const take = (chunk: Uint8Array): void => {
        bytes += chunk.byteLength;
        if (bytes > this.#bodyBytesMax) end(() => reject(this.#tooLarge()));
        else if (!this.#budget.take(chunk.byteLength)) end(() => reject(tooManyBytes()));
        else {
          this.#heldBytes += chunk.byteLength;
          chunks.push(chunk);
        }
      };
      const whole = (): void => {
        const [only] = chunks;
        end(() => resolve(chunks.length === 1 && only ? only : Buffer.concat(chunks, bytes)));
      };
      const broken = (): void => end(() => reject(new HoldpointError("HP_TIMEOUT", "the body did not arrive")));
      incoming.on("data", take);
      incoming.once("end", whole);
      incoming.once("close", broken);
      if (incoming.destroyed) broken();
    });
  }

  /** The exchange is over: its body may be forgotten. */
  release(): void {
    this.#budget.give(this.#heldBytes);
    this.#heldBytes = 0;
  }

  #tooLarge(): HoldpointError {
    return new HoldpointError(
      "HP_TOO_LARGE",
      `the body is larger than the ${this.#bodyBytesMax} bytes that are allowed`,
    );
  }

  #makeRequest(): Request {
    const headers = new Headers();
    const raw = this.#incoming.rawHeaders;
    for (let i = 0; i + 1 < raw.length; i += 2) headers.append(raw[i] ?? "", raw[i + 1] ?? "");
    const url = new URL(`${this.path}${this.#search}`, `http://${this.header("host") ?? "localhost"}`);
    return new Request(url, { method: this.method, headers });
  }
}

function tooManyBytes(): HoldpointError {
  return new HoldpointError("HP_BUSY", "too many bodies are being read at once", { retryAfterMs: 1000 });
}
