import { type Cancel, type QueueState, type ReviewNews, type Timers } from "../../protocol/index.ts";

/** Brings news to reviewers: what concerns one case to its reviewer, the queue's state to everybody, not too often. */
export interface NewsDesk {
  listen(reviewer: string, listener: (news: ReviewNews) => void): Cancel;
  tell(reviewer: string, news: ReviewNews): void;
  /** Changes that come together are told once. */
  queueChanged(): void;
  close(): void;
}

const queueNewsMs = 150;

export function createNewsDesk(timers: Timers, state: () => QueueState): NewsDesk {
  const listeners = new Map<string, Set<(news: ReviewNews) => void>>();
  let cancel: Cancel | null = null;
  return {
    listen: (reviewer, listener) => {
      const own = listeners.get(reviewer) ?? new Set();
      listeners.set(reviewer, own.add(listener));
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(reviewer) === own) listeners.delete(reviewer);
      };
    },
    tell: (reviewer, news) => {
      for (const listener of [...(listeners.get(reviewer) ?? [])]) listener(news);
    },
    queueChanged: () => {
      if (cancel !== null || listeners.size === 0) return;
      cancel = timers.after(queueNewsMs, () => {
        cancel = null;
        const news: ReviewNews = { kind: "queue", queue: state() };
        for (const own of [...listeners.values()]) for (const listener of [...own]) listener(news);
      });
    },
    close: () => {
      cancel?.();
      listeners.clear();
    },
  };
}
