import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Outbox, type OutboxItem } from "../../sdk/client/index.ts";

export interface OutboxHarness {
  readonly outbox: Outbox;
  /** The same outbox in a next life of the process, or null where nothing survives. */
  readonly reopen: (() => Promise<Outbox>) | null;
  readonly clean: () => Promise<void>;
}

/** What every outbox must do. */
export function outboxContract(name: string, open: () => Promise<OutboxHarness>): void {
  describe(`${name} as an outbox`, () => {
    let harness: OutboxHarness;
    beforeEach(async () => {
      harness = await open();
    });
    afterEach(async () => {
      await harness.outbox.close();
      await harness.clean();
    });

    it("is empty at first, and has a name", async () => {
      const { instance, items } = await harness.outbox.list();
      expect(items).toEqual([]);
      expect(instance).toMatch(/^[0-9a-f]{8}$/);
    });

    it("takes, replaces and forgets items; an unknown key is no error", async () => {
      await harness.outbox.list();
      await harness.outbox.put(item("a", 1));
      await harness.outbox.put(item("a", 2));
      await harness.outbox.remove("request/a");
      await harness.outbox.remove("request/never");
    });

    it("takes many puts and removes at once", async () => {
      await harness.outbox.list();
      const keys = Array.from({ length: 500 }, (_, n) => String(n));
      await Promise.all(
        keys.flatMap((key, n) => [
          harness.outbox.put(item(key, n)),
          ...(n % 2 === 0 ? [harness.outbox.remove(`request/${key}`)] : []),
        ]),
      );
      if (harness.reopen === null) return;
      const { items } = await (await harness.reopen()).list();
      expect(items.map(({ id }) => Number(id))).toEqual(keys.map(Number).filter((n) => n % 2 === 1));
    });

    it("may be closed twice", async () => {
      await harness.outbox.list();
      await harness.outbox.close();
      await harness.outbox.close();
    });

    it("gives a next life what was put and not removed, oldest first, byte for byte, under the same name", async () => {
      if (harness.reopen === null) return;
      const { instance } = await harness.outbox.list();
      await harness.outbox.put(item("b", 1));
      await harness.outbox.put(item("a", 70_000));
      await harness.outbox.put(item("c", 3));
      await harness.outbox.put({ ...item("x", 4), key: "outcome/x/1", kind: "outcome" });
      await harness.outbox.remove("request/c");
      const again = await (await harness.reopen()).list();
      expect(again.instance).toBe(instance);
      expect(again.items).toEqual([
        item("b", 1),
        item("a", 70_000),
        { ...item("x", 4), key: "outcome/x/1", kind: "outcome" },
      ]);
    });
  });
}

function item(id: string, bytes: number): OutboxItem {
  return { key: `request/${id}`, kind: "request", id, bytes: Uint8Array.from({ length: bytes }, (_, n) => n % 251) };
}
