import { HoldpointError, type Cancel, type Timers } from "../../protocol/index.ts";

/** Server-sent events (HTML Standard, 9.2), with a bound on streams and on what waits in one. */
export interface EventStreams {
  /** Answers a request with a stream. Throws HP_BUSY where `streamsMax` are open. */
  open(request: StreamRequest): Response;
  closeAll(): void;
}

export interface StreamLimits {
  readonly streamsMax: number;
  /** An owner's oldest stream ends where more are opened: tabs that were forgotten. */
  readonly streamsPerOwnerMax: number;
  /** Events that a slow page has not taken; above it the stream ends and the page opens a new one. */
  readonly eventsWaitingMax: number;
  /** A stream ends after so long, and whoever opens the next one is asked again who they are; null: with its page. */
  readonly streamMsMax: number | null;
  /** For the refusal: "too many review pages are open". */
  readonly tooMany: string;
}

interface StreamRequest {
  /** Whose streams are counted together. */
  readonly owner: string;
  /** The event that the stream begins with. */
  readonly first: string;
  /** Called once, with what sends an event; returns what ends the listening. */
  readonly listen: (send: (event: string) => void) => Cancel;
  /** Aborted when the page is gone. */
  readonly gone: AbortSignal;
}

interface Stream {
  readonly owner: string;
  end(): void;
}

/** A comment that often shows both sides that the other is there. */
const aliveMs = 15_000;
const retryAfterMs = 30_000;

export function createEventStreams(timers: Timers, limits: StreamLimits): EventStreams {
  const streams = new Set<Stream>();

  function open(request: StreamRequest): Response {
    const own = [...streams].filter(({ owner }) => owner === request.owner);
    if (own.length >= limits.streamsPerOwnerMax) own[0]?.end();
    if (streams.size >= limits.streamsMax) throw new HoldpointError("HP_BUSY", limits.tooMany, { retryAfterMs });
    let stop: Cancel = () => undefined;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          stop = start(request, controller);
        },
        cancel: () => stop(),
      },
      new CountQueuingStrategy({ highWaterMark: limits.eventsWaitingMax }),
    );
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
    });
  }

  /** Returns what forgets the stream: its page has cancelled it. */
  function start(
    { owner, first, listen, gone }: StreamRequest,
    controller: ReadableStreamDefaultController<Uint8Array>,
  ): Cancel {
    let cancels: Cancel[] = [];
    const forget = (): boolean => {
      for (const cancel of cancels) cancel();
      cancels = [];
      return streams.delete(stream);
    };
    const end = (): void => {
      if (forget()) controller.close();
    };
    const send = (text: string): void => {
      if (!streams.has(stream)) return;
      if ((controller.desiredSize ?? 0) <= 0) end();
      else controller.enqueue(encoder.encode(text));
    };
    let quiet: Cancel = () => undefined;
    const alive = (): void => {
      quiet = timers.after(aliveMs, () => {
        send(": alive\n\n");
        if (streams.has(stream)) alive();
      });
    };
    const stream = { owner, end };
    streams.add(stream);
    send(`retry: 1000\n${first}`);
    cancels.push(listen(send), () => quiet());
    if (limits.streamMsMax !== null) cancels.push(timers.after(limits.streamMsMax, end));
    alive();
    gone.addEventListener("abort", end, { once: true });
    // It may have gone while the caller was looked up: then nobody reads the stream, and nothing else would end it.
    if (gone.aborted) end();
    return forget;
  }

  return {
    open,
    closeAll: () => {
      for (const stream of [...streams]) stream.end();
    },
  };
}

export function eventText(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

const encoder = new TextEncoder();
