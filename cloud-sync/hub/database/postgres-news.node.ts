import type pg from "pg";
import { type Logger } from "../../../protocol/index.ts";
import { type HubNews } from "./database.ts";

/** News between hub processes over LISTEN and NOTIFY, on a connection of its own that is opened again when it breaks. */
export interface NewsChannelOptions {
  readonly connect: () => pg.Client;
  readonly hear: (news: HubNews) => void;
  readonly logger: Logger;
}

const reconnectMsMin = 200;
const reconnectMsMax = 5_000;

export function startNewsChannel(options: NewsChannelOptions): { close(): Promise<void> } {
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let failures = 0;

  const open = async (): Promise<void> => {
    const opened = options.connect();
    client = opened;
    opened.on("notification", ({ payload }) => options.hear(newsOf(payload)));
    opened.on("error", (cause) => again(opened, cause));
    opened.on("end", () => again(opened, null));
    try {
      await opened.connect();
      await opened.query("listen holdpoint");
      failures = 0;
      // What was said while nobody listened is in the database.
      options.hear({ kind: "resync" });
    } catch (cause) {
      again(opened, cause);
    }
  };
  const again = (broken: pg.Client, cause: unknown): void => {
    if (closed || client !== broken) return;
    client = null;
    failures += 1;
    options.logger.warn("hub_news_interrupted", { cause });
    broken.end().catch(() => undefined);
    timer = setTimeout(() => void open(), Math.min(reconnectMsMax, reconnectMsMin * 2 ** (failures - 1)));
  };
  void open();
  return {
    close: async () => {
      closed = true;
      if (timer) clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}

/** What is no news of a hub's (anybody with the database's password may send it) says only that something is new. */
function newsOf(payload: string | undefined): HubNews {
  try {
    const news = JSON.parse(payload ?? "") as Partial<HubNews> | null;
    if (typeof news?.kind === "string") return news as HubNews;
  } catch {
    // Said below.
  }
  return { kind: "resync" };
}
