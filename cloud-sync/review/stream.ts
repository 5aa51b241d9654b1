import { HoldpointError, type Cancel, type ReviewNews, type Timers } from "../../protocol/index.ts";

/** Server-sent events (HTML Standard, 9.2) for the review page, with a bound on streams and on what waits in one. */
export interface Streams {
  /** Answers a request with a stream of news. Throws HP_BUSY where `streamsMax` are open. */
  open(request: StreamRequest): Response;
  closeAll(): void;
}

export interface StreamLimits {
  readonly streamsMax: number;
  readonly streamsPerReviewerMax: number;
}

const streamLimits = Object.freeze({
  streamsMax: 64,
  /** A reviewer's oldest stream ends where more are opened: tabs that were forgotten. */
  streamsPerReviewerMax: 4,
  /** News that a slow page has not taken; above it the stream ends and the page opens a new one. */
  newsWaitingMax: 256,
  /** A comment that often shows both sides that the other is there. */
  aliveMs: 15_000,
});

interface StreamRequest {
  readonly reviewer: string;
  readonly first: ReviewNews;
  readonly listen: (listener: (news: ReviewNews) => void) => Cancel;
  /** Aborted when the page is gone. */
  readonly gone: AbortSignal;
}

interface Stream {
  readonly reviewer: string;
  end(): void;
}

export function createStreams(timers: Timers, own: Partial<StreamLimits> = {}): Streams {
  const { streamsMax, streamsPerReviewerMax } = { ...streamLimits, ...own };
  const streams = new Set<Stream>();

  function open({ reviewer, first, listen, gone }: StreamRequest): Response {
    const theirs = [...streams].filter((stream) => stream.reviewer === reviewer);
    if (theirs.length >= streamsPerReviewerMax) theirs[0]?.end();
    if (streams.size >= streamsMax) {
      throw new HoldpointError("HP_BUSY", "too many review pages are open", { retryAfterMs: 30_000 });
    }
    let unlisten: Cancel = () => undefined;
    let quiet: Cancel = () => undefined;
    let stream: Stream | null = null;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const end = (): void => {
            if (!stream || !streams.delete(stream)) return;
            unlisten();
            quiet();
            controller.close();
          };
          const send = (text: string): void => {
            if ((controller.desiredSize ?? 0) <= 0) end();
            else controller.enqueue(encoder.encode(text));
          };
          const alive = (): void => {
            quiet = timers.after(streamLimits.aliveMs, () => {
              send(": alive\n\n");
              if (stream && streams.has(stream)) alive();
            });
          };
          stream = { reviewer, end };
          streams.add(stream);
          gone.addEventListener("abort", end, { once: true });
          send(`retry: 1000\n${eventText(first)}`);
          unlisten = listen((news) => send(eventText(news)));
          alive();
        },
        cancel: () => {
          if (stream) streams.delete(stream);
          unlisten();
          quiet();
        },
      },
      new CountQueuingStrategy({ highWaterMark: streamLimits.newsWaitingMax }),
    );
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
    });
  }

  return {
    open,
    closeAll: () => {
      for (const stream of [...streams]) stream.end();
    },
  };
}

const encoder = new TextEncoder();

function eventText(news: ReviewNews): string {
  return `event: ${news.kind}\ndata: ${JSON.stringify(news)}\n\n`;
}
