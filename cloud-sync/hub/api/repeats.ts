import { HoldpointError, toHex, type Reply } from "../../../protocol/index.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { type Repeat, type Repeats } from "./gateway.ts";

/** For so long a repeat is answered as the first call was. */
const keptMs = 24 * 3_600_000;
/** A first call that has not answered for so long died with its process: the next one may try. */
const runningMsMax = 60_000;

export function createRepeats({ database, clock, hasher }: Pick<HubParts, "database" | "clock" | "hasher">): Repeats {
  const columns = ({ caller, operation, key }: Repeat) => ({ caller, operation, key });
  const forget = (repeat: Repeat): Promise<unknown> =>
    database.write(({ db }) =>
      db
        .deleteFrom("repeats")
        .where("caller", "=", repeat.caller)
        .where("operation", "=", repeat.operation)
        .where("key", "=", repeat.key)
        .execute(),
    );
  const begin = (repeat: Repeat, digest: string, nowMs: number): Promise<Reply | null> =>
    database.write(async ({ db }) => {
      await db
        .deleteFrom("repeats")
        .where("at_ms", "<", nowMs - keptMs)
        .execute();
      const row = await db
        .insertInto("repeats")
        .values({ ...columns(repeat), digest, answer: null, at_ms: nowMs })
        .onConflict((conflict) => conflict.columns(["caller", "operation", "key"]).doNothing())
        .returning("key")
        .executeTakeFirst();
      if (row) return null;
      const known = await db
        .selectFrom("repeats")
        .select(["digest", "answer", "at_ms"])
        .where("caller", "=", repeat.caller)
        .where("operation", "=", repeat.operation)
        .where("key", "=", repeat.key)
        .executeTakeFirstOrThrow();
      if (known.digest !== digest) {
        throw new HoldpointError("HP_CONFLICT", "this Idempotency-Key was used for another call", {
          hint: "Use a new key for a new call.",
        });
      }
      if (known.answer !== null) return readReply(known.answer);
      if (nowMs - known.at_ms < runningMsMax) {
        throw new HoldpointError("HP_BUSY", "the first call with this key still runs", { retryAfterMs: 500 });
      }
      await change(db, repeat, { at_ms: nowMs });
      return null;
    });

  return {
    run: async (repeat, work) => {
      const nowMs = Math.round(clock.wallMs());
      const known = await begin(repeat, toHex(hasher.sha256(...repeat.content)), nowMs);
      if (known) return known;
      let answer: Reply;
      try {
        answer = await work();
      } catch (cause) {
        // What failed left nothing behind, so the same key may try again.
        await forget(repeat);
        throw cause;
      }
      await database.write(({ db }) => change(db, repeat, { answer: writeReply(answer) }));
      return answer;
    },
  };
}

async function change(
  db: HubTransaction["db"],
  { caller, operation, key }: Repeat,
  values: { readonly at_ms: number } | { readonly answer: string },
): Promise<void> {
  await db
    .updateTable("repeats")
    .set(values)
    .where("caller", "=", caller)
    .where("operation", "=", operation)
    .where("key", "=", key)
    .execute();
}

function writeReply({ status, headers, body }: Reply): string {
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  return JSON.stringify({ status, headers, body: text });
}

function readReply(text: string): Reply {
  const { status, headers, body } = JSON.parse(text) as Reply;
  return { status, headers: { ...headers, "idempotent-replayed": "true" }, body };
}
