import type {
  AnswerTaken,
  ErrorBody,
  ErrorCode,
  HeldCases,
  ReviewNews,
  ReviewSession,
  Submit,
} from "../../../protocol/index.ts";
import type { LookAlike, QueueFilter } from "./state.ts";

/** The page's calls. A refusal is a value; only a lost connection (or a box that cannot answer now) is `null`. */
export type Answered<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly retryAfterMs: number | null }
  | null;

const callMsMax = 10_000;

async function call<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<Answered<T>> {
  try {
    const response = await fetch(`/v1/review${path}`, {
      method,
      ...(method === "POST"
        ? { body: JSON.stringify(body ?? {}), headers: { "content-type": "application/json" } }
        : {}),
      cache: "no-store",
      signal: AbortSignal.timeout(callMsMax),
    });
    const answer = (await response.json()) as unknown;
    if (response.ok) return { ok: true, value: answer as T };
    const { code, message, retry, retryAfterMs } = answer as ErrorBody;
    // A box that is starting or out of space is not there for us now; the answer waits and is sent again.
    if (code === "HP_INTERNAL") return { ok: false, code, message, retryAfterMs: retryAfterMs ?? null };
    if (response.status >= 500 || (retry === "backoff" && code !== "HP_PIN" && code !== "HP_RATE")) return null;
    return { ok: false, code, message, retryAfterMs: retryAfterMs ?? null };
  } catch {
    return null;
  }
}

const casePath = (id: string, what: string): string => `/cases/${encodeURIComponent(id)}/${what}`;

interface Api {
  session(): Promise<Answered<ReviewSession>>;
  pair(pin: string, name: string, code: string | null): Promise<Answered<ReviewSession>>;
  leave(): Promise<Answered<unknown>>;
  next(filter: QueueFilter): Promise<Answered<HeldCases>>;
  labels(task: string): Promise<Answered<{ readonly labels: readonly string[] }>>;
  submit(id: string, submit: Submit): Promise<Answered<AnswerTaken>>;
  undo(id: string, reviewId: string): Promise<Answered<HeldCases>>;
  heartbeat(id: string, generation: number): Promise<Answered<unknown>>;
  release(id: string, generation: number): Promise<Answered<unknown>>;
  lookAlikes(id: string): Promise<Answered<{ readonly lookAlikes: readonly LookAlike[] }>>;
  escalate(id: string, generation: number): Promise<Answered<unknown>>;
}

export const api: Api = {
  session: () => call("GET", "/session"),
  pair: (pin, name, code) => call("POST", "/pair", { pin, name, ...(code === null ? {} : { code }) }),
  leave: () => call("POST", "/leave"),
  next: (filter) => call("POST", "/next", chosen(filter)),
  labels: (task) => call("GET", `/tasks/${encodeURIComponent(task)}/labels`),
  submit: (id, submit) => call("POST", casePath(id, "submit"), submit),
  undo: (id, reviewId) => call("POST", casePath(id, "undo"), { reviewId }),
  heartbeat: (id, generation) => call("POST", casePath(id, "heartbeat"), { generation }),
  release: (id, generation) => call("POST", casePath(id, "release"), { generation }),
  lookAlikes: (id) => call("GET", casePath(id, "look-alikes")),
  escalate: (id, generation) => call("POST", casePath(id, "escalate"), { generation }),
};

/** What is null is not chosen, and not said: the box in the store knows no filter. */
function chosen(filter: QueueFilter): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== null));
}

/** Gives a case back while the page goes away: the browser sends it even so. */
export function releaseOnLeave(id: string, generation: number): void {
  void fetch(`/v1/review${casePath(id, "release")}`, {
    method: "POST",
    body: JSON.stringify({ generation }),
    headers: { "content-type": "application/json" },
    keepalive: true,
  }).catch(() => undefined);
}

const newsKinds = ["queue", "withdrawn", "final", "delivered"] as const;

/** Server-sent events. `onBroken` is told once; the caller opens a new stream when the box is back. */
export function openStream(onNews: (news: ReviewNews) => void, onBroken: () => void): () => void {
  const source = new EventSource("/v1/review/stream");
  for (const kind of newsKinds) {
    source.addEventListener(kind, (event: MessageEvent<string>) => onNews(JSON.parse(event.data) as ReviewNews));
  }
  source.onerror = () => {
    source.close();
    onBroken();
  };
  return () => source.close();
}
