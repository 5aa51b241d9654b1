import type { Database } from "../../protocol/platform/sqlite.node.ts";
import { RecentMap } from "../../protocol/recent-map.ts";
import { deliveryTransition } from "./delivery-machine.ts";
import { revisionSlots } from "./journal-schema.ts";

/**
 * Which revisions a device has not acknowledged. A revision that came with its request stands in a pack: one row for all
 * that one commit brought of one device, because a row for each would be inserted by one commit and deleted by another.
 * Every other revision has a row of its own. A pack is written as it is left by a commit, once in it, and goes with its
 * last case.
 */

interface Pack {
  readonly device: string;
  /** The first case, which names the pack: packs of a device never overlap. */
  readonly first: number;
  /** Cases whose revision 1 waits, in the order of their admission. */
  readonly waiting: Set<number>;
  stored: boolean;
}

/** Packs that are remembered; those of devices that are away are read again when they come back. */
const packsMax = 256;

function prepareAll(database: Database) {
  const prepare = <Row = unknown>(sql: string) => database.prepare<unknown[], Row>(sql);
  return {
    insert: prepare("INSERT INTO deliveries (device, key) VALUES (?, ?)"),
    remove: prepare("DELETE FROM deliveries WHERE device = ? AND key = ?"),
    removeOfCase: prepare("DELETE FROM deliveries WHERE device = ? AND key BETWEEN ? AND ?"),
    pack: prepare<{ first: number; cases: Uint8Array }>(
      "SELECT first, cases FROM delivery_packs WHERE device = ? AND first <= ? ORDER BY first DESC LIMIT 1",
    ),
    insertPack: prepare("INSERT INTO delivery_packs (device, first, cases) VALUES (?, ?, ?)"),
    updatePack: prepare("UPDATE delivery_packs SET cases = ? WHERE device = ? AND first = ?"),
    removePack: prepare("DELETE FROM delivery_packs WHERE device = ? AND first = ?"),
  };
}

export class DeliveryRows {
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #known = new RecentMap<number, Pack>(packsMax);
  /** Packs that this transaction changes, by their first case; and by device the one that it fills. */
  readonly #changed = new Map<number, Pack>();
  readonly #filling = new Map<string, Pack>();

  constructor(database: Database) {
    this.#sql = prepareAll(database);
  }

  /** A revision with a row of its own. */
  add(device: string, key: number): void {
    this.#sql.insert.run(device, key);
  }

  /** Revision 1 of a case that was admitted and decided in one step. Returns the name of its pack. */
  addPacked(device: string, n: number): number {
    let pack = this.#filling.get(device);
    if (pack === undefined) {
      pack = { device, first: n, waiting: new Set(), stored: false };
      this.#filling.set(device, pack);
      this.#changed.set(n, pack);
    }
    pack.waiting.add(n);
    return pack.first;
  }

  /** The device has a revision. Returns how many rows waited for that: 0 or 1. `first`: the pack, where it is known. */
  clear(device: string, n: number, revision: number, first: number | null = null): number {
    if (deliveryTransition("waiting", "acknowledged").effect !== "delete") return 0;
    if (revision === 1) {
      const pack = this.#find(device, n, first);
      if (pack?.waiting.delete(n) === true) {
        this.#changed.set(pack.first, pack);
        return 1;
      }
    }
    return this.#sql.remove.run(device, n * revisionSlots + revision).changes;
  }

  /** All revisions of a case that is pruned. Returns how many rows waited. */
  clearCase(device: string, n: number): number {
    const [from, to] = [n * revisionSlots, n * revisionSlots + revisionSlots - 1];
    return this.clear(device, n, 1) + this.#sql.removeOfCase.run(device, from, to).changes;
  }

  #find(device: string, n: number, first: number | null): Pack | undefined {
    const name = first ?? this.#filling.get(device)?.first;
    const recent = name === undefined ? undefined : (this.#changed.get(name) ?? this.#known.get(name));
    if (recent?.waiting.has(n) === true) return recent;
    const row = this.#sql.pack.get(device, n);
    if (row === undefined) return undefined;
    const changed = this.#changed.get(row.first);
    if (changed !== undefined) return changed;
    const waiting = new Set(packedCases(row.first, row.cases));
    return { device, first: row.first, waiting, stored: true };
  }

  /** Writes what the transaction changed; belongs right before its commit. */
  flush(): void {
    for (const pack of this.#changed.values()) {
      const { device, first, waiting } = pack;
      if (waiting.size === 0) {
        if (pack.stored) this.#sql.removePack.run(device, first);
        this.#known.delete(first);
        continue;
      }
      if (pack.stored) this.#sql.updatePack.run(packCases(first, waiting), device, first);
      else this.#sql.insertPack.run(device, first, packCases(first, waiting));
      pack.stored = true;
      this.#known.set(first, pack);
    }
    this.#changed.clear();
    this.#filling.clear();
  }

  /** After a rollback: the tables know. */
  forget(): void {
    this.#changed.clear();
    this.#filling.clear();
    this.#known.clear();
  }
}

/** Distances from the first case, 4 bytes each, little endian. */
function packCases(first: number, cases: ReadonlySet<number>): Uint8Array {
  const bytes = Buffer.allocUnsafe(4 * cases.size);
  let at = 0;
  for (const n of cases) at = bytes.writeUInt32LE(n - first, at);
  return bytes;
}

export function packedCases(first: number, bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 4 }, (_, index) => first + view.getUint32(4 * index, true));
}
