import { HoldpointError, toHex, type Reply } from "../../../protocol/index.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { type Repeat, type Repeats } from "./gateway.ts";

/** For so long a repeat is answered as the first call was. */
const keptMs = 24 * 3_600_000;
/** Stands where an answer would: it carried a secret. */
const secretAnswer = "secret";
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
        .executeTakeFirst();
      // It failed and was forgotten in this moment.
      if (!known) throw stillRunning();
      if (known.digest !== digest) {
        throw new HoldpointError("HP_CONFLICT", "this Idempotency-Key was used for another call", {
          hint: "Use a new key for a new call.",
        });
      }
      if (known.answer === secretAnswer) {
        throw new HoldpointError(
          "HP_CONFLICT",
          "the call with this key was answered with a secret, which is shown once",
          {
            hint: "Make a new secret with a new key, and revoke the one that was lost.",
          },
        );
      }
      if (known.answer !== null) return readReply(known.answer);
      // Of two calls that find the first one dead, one takes its place.
      const isTaken = nowMs - known.at_ms >= runningMsMax && (await takeOver(db, repeat, known.at_ms, nowMs));
      if (isTaken) return null;
      throw stillRunning();
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
        await forget(repeat).catch(() => undefined);
        throw cause;
      }
      await database.write(({ db }) =>
        change(db, repeat, { answer: repeat.secret ? secretAnswer : writeReply(answer) }),
      );
      return answer;
    },
  };
}

function stillRunning(): HoldpointError {
  return new HoldpointError("HP_BUSY", "the first call with this key still runs", { retryAfterMs: 500 });
}

async function takeOver(
  db: HubTransaction["db"],
  { caller, operation, key }: Repeat,
  atMs: number,
  nowMs: number,
): Promise<boolean> {
  const row = await db
    .updateTable("repeats")
    .set({ at_ms: nowMs })
    .where("caller", "=", caller)
    .where("operation", "=", operation)
    .where("key", "=", key)
    .where("at_ms", "=", atMs)
    .where("answer", "is", null)
    .returning("key")
    .executeTakeFirst();
  return row !== undefined;
}

async function change(
  db: HubTransaction["db"],
  { caller, operation, key }: Repeat,
  values: { readonly answer: string },
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
