import { type Cancel, type ReviewNews, type Timers } from "../../protocol/index.ts";
import { createEventStreams, eventText, type EventStreams, type StreamLimits } from "./event-streams.ts";

/** Streams of news for review pages, each session's counted together. */
export interface Streams extends Pick<EventStreams, "closeAll"> {
  /** Answers a request with a stream of news. Throws HP_BUSY where `streamsMax` are open. */
  open(request: NewsRequest): Response;
}

interface NewsRequest {
  /** Key of the session. */
  readonly reviewer: string;
  readonly first: ReviewNews;
  readonly listen: (listener: (news: ReviewNews) => void) => Cancel;
  /** Aborted when the page is gone. */
  readonly gone: AbortSignal;
}

const limits: StreamLimits = Object.freeze({
  streamsMax: 64,
  streamsPerOwnerMax: 4,
  eventsWaitingMax: 256,
  // The page takes a stream that ends for a box that is out of reach, and says so.
  streamMsMax: null,
  tooMany: "too many review pages are open",
});

export function createStreams(timers: Timers, own: Partial<Pick<StreamLimits, "streamsMax">> = {}): Streams {
  const streams = createEventStreams(timers, { ...limits, ...own });
  return {
    open: ({ reviewer, first, listen, gone }) =>
      streams.open({
        owner: reviewer,
        first: newsText(first),
        listen: (send) => listen((news) => send(newsText(news))),
        gone,
      }),
    closeAll: () => streams.closeAll(),
  };
}

function newsText(news: ReviewNews): string {
  return eventText(news.kind, news);
}
