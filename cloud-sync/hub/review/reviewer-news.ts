import { type Cancel, type ReviewNews } from "../../../protocol/index.ts";
import { type Reviewer } from "../../review/review-store.ts";
import { type HubNews } from "../database/database.ts";
import { type QueueCounts } from "./queue-count.ts";
import { type ReviewParts } from "./review-parts.ts";

/**
 * Brings news to the pages that this process serves, from whichever process they come: what concerns a case to its
 * reviewer at once, the queue's state to everybody, not too often. News that were missed are made good by a new look.
 */
export interface ReviewerNews {
  listen(reviewer: Reviewer, listener: (news: ReviewNews) => void): Cancel;
  close(): void;
}

/** Changes within this are told together. */
const queueNewsMs = 250;

interface Page {
  readonly reviewer: Reviewer;
  readonly listener: (news: ReviewNews) => void;
}

export function createReviewerNews(parts: ReviewParts, counts: QueueCounts): ReviewerNews {
  const pages = new Map<string, Set<Page>>();
  let cancel: Cancel | null = null;
  let isClosed = false;

  const tellQueue = async (): Promise<void> => {
    for (const page of [...pages.values()].flatMap((own) => [...own])) {
      const queue = await counts.of(page.reviewer);
      if (pages.get(page.reviewer.key)?.has(page)) page.listener({ kind: "queue", queue });
    }
  };
  const queueChanged = (): void => {
    if (cancel !== null || isClosed || pages.size === 0) return;
    cancel = parts.timers.after(queueNewsMs, () => {
      cancel = null;
      tellQueue().catch((cause: unknown) => parts.logger.warn("review_news_failed", { cause }));
    });
  };
  const hear = (news: HubNews): void => {
    if (news.kind === "review") for (const page of [...(pages.get(news.reviewer) ?? [])]) page.listener(news.news);
    if (news.kind !== "queue" && news.kind !== "resync") return;
    counts.changed();
    queueChanged();
  };
  const unlisten = parts.database.onNews(hear);
  return {
    listen: (reviewer, listener) => {
      const own = pages.get(reviewer.key) ?? new Set<Page>();
      const page = { reviewer, listener };
      pages.set(reviewer.key, own.add(page));
      return () => {
        own.delete(page);
        if (own.size === 0 && pages.get(reviewer.key) === own) pages.delete(reviewer.key);
      };
    },
    close: () => {
      isClosed = true;
      unlisten();
      cancel?.();
      pages.clear();
    },
  };
}
