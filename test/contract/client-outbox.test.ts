import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryOutbox, type Outbox } from "../../sdk/client/index.ts";
import { fileOutbox } from "../../sdk/index.node.ts";
import { outboxContract } from "./client-outbox.contract.ts";

outboxContract("memory", () =>
  Promise.resolve({ outbox: memoryOutbox(), reopen: null, clean: () => Promise.resolve() }),
);

outboxContract("a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdpoint-outbox-"));
  const path = join(folder, "deep", "outbox.log");
  const outbox = fileOutbox({ path });
  const opened: Outbox[] = [];
  return {
    outbox,
    reopen: async () => {
      await outbox.close();
      const next = fileOutbox({ path });
      opened.push(next);
      return next;
    },
    clean: async () => {
      for (const next of opened) await next.close();
      await rm(folder, { recursive: true });
    },
  };
});
