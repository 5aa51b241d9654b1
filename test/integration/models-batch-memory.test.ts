import { readdirSync } from "node:fs";
import { platform } from "node:os";
import { afterEach, describe, expect, it } from "vitest";
import { BatchMemory, BatchReader } from "../../models/runtimes/batch-memory.node.ts";
import { packInputs, unpackInputs } from "../../models/runtimes/input-pack.ts";
import { type Input } from "../../protocol/index.ts";
import { temporaryFolder } from "../support/models-fixtures.ts";

const open: BatchMemory[] = [];
afterEach(() => {
  for (const memory of open.splice(0)) memory.close();
});

function memoryOf(): BatchMemory {
  const memory = BatchMemory.open();
  if (!memory) throw new Error("this system has no /dev/shm");
  open.push(memory);
  return memory;
}

const picture = (byte: number, side = 100): Input => ({
  kind: "pixels",
  width: side,
  height: side,
  channels: 3,
  data: new Uint8Array(side * side * 3).fill(byte),
});

// The memory is Linux's; elsewhere batches travel through the channel, which the tests of the child prove.
describe.runIf(platform() === "linux")("the memory that host and child share", () => {
  it("gives the other side every row as it was, also when it is used again", () => {
    const memory = memoryOf();
    const reader = new BatchReader(memory.fd);
    for (let batch = 0; batch < 20; batch += 1) {
      const inputs = [picture(batch), picture(batch + 100, 90), { kind: "entity", entity: "e" } as const, picture(7)];
      const packed = packInputs(inputs, (rows, bytes) => memory.place(batch, rows, bytes));
      expect(packed.placedAt).not.toBeNull();
      expect(packed.bytes.byteLength).toBe(0);
      const { bytes, release } = reader.read(packed.placedAt ?? -1, packed.ends.at(-1) ?? 0);
      expect(unpackInputs(structuredClone(packed), bytes)).toEqual(inputs.map(plain));
      release();
      memory.free(batch);
    }
  });

  it("never gives a place away before its batch is answered, and sends by message what finds none", () => {
    const memory = memoryOf();
    const rows = [new Uint8Array(50_000)];
    const places = [1, 2, 3, 4].map((batch) => memory.place(batch, rows, 50_000));
    expect(new Set(places).size).toBe(4);
    expect(memory.place(5, rows, 50_000)).toBeNull();
    memory.free(99);
    expect(memory.place(5, rows, 50_000)).toBeNull();
    memory.free(3);
    expect(memory.place(5, rows, 50_000)).toBe(places[2]);
  });

  it("leaves what is small, and what is larger than a place, to the message", () => {
    const memory = memoryOf();
    expect(memory.place(1, [new Uint8Array(8)], 8)).toBeNull();
    const large = new Uint8Array(5 * 1024 * 1024);
    expect(memory.place(1, [large], large.byteLength)).toBeNull();
    const packed = packInputs([picture(3)], () => null);
    expect(unpackInputs(packed)).toEqual([picture(3)]);
  });

  it("leaves no name behind, so that nothing is left when its processes are gone", () => {
    const folder = temporaryFolder();
    const memory = BatchMemory.open(folder.path);
    expect(memory?.place(1, [new Uint8Array(50_000)], 50_000)).toBe(0);
    expect(readdirSync(folder.path)).toEqual([]);
    memory?.close();
    folder.remove();
  });

  it("is not there where its folder is not", () => {
    expect(BatchMemory.open("/no/such/folder")).toBeNull();
  });
});

/** Bytes come back as a Buffer, which compares as an array only after this. */
function plain(input: Input): Input {
  return "data" in input ? { ...input, data: Buffer.from(input.data) } : input;
}
