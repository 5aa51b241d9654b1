import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BlobPlace } from "../../cloud-sync/hub/blobs/blob-store.ts";
import { openFileBlobs } from "../../cloud-sync/hub/blobs/file-blobs.node.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | null): string | null => bytes && new TextDecoder().decode(bytes);

describe("pictures in segments", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "holdpoint-blobs-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const open = (segmentBytesMax = 1_000_000, clock = systemClock) =>
    openFileBlobs(dir, { clock, random: systemRandom, segmentBytesMax });

  it("are read back from where they were put, by another life too", async () => {
    const first = await open();
    const places = (
      await Promise.all(["a", "bc", "def"].map((text) => first.putAll([bytesOf(text), bytesOf(`${text}!`)])))
    ).flat();
    expect(new Set(places.map(({ segment }) => segment)).size).toBe(1);
    await first.close();
    const second = await open();
    const [again] = await second.putAll([bytesOf("new")]);
    expect(again?.segment).not.toBe(places[0]?.segment);
    const read = await Promise.all(places.map(async (place) => textOf(await second.get(place))));
    expect(read).toEqual(["a", "a!", "bc", "bc!", "def", "def!"]);
    await second.close();
  });

  it("begin another segment when one is full", async () => {
    const blobs = await open(10);
    const places: BlobPlace[] = [];
    for (let index = 0; index < 6; index += 1) places.push(...(await blobs.putAll([bytesOf("123456")])));
    expect(new Set(places.map(({ segment }) => segment)).size).toBe(3);
    expect(textOf(await blobs.get(places[5] as BlobPlace))).toBe("123456");
    await blobs.close();
  });

  it("that are gone, cut off, or were never there read as nothing", async () => {
    const blobs = await open();
    const [place] = (await blobs.putAll([bytesOf("123")])) as [BlobPlace];
    expect(await blobs.get({ ...place, bytes: 4 })).toBeNull();
    expect(await blobs.get({ ...place, offset: 99 })).toBeNull();
    rmSync(join(dir, place.segment));
    expect(await blobs.get(place)).toBeNull();
    await expect(blobs.get({ ...place, segment: "../hub.db" })).rejects.toThrow("not a segment's name");
    await blobs.close();
  });

  it("free their space when nothing of a segment is used and it is old enough", async () => {
    const blobs = await open(1);
    const [kept] = (await blobs.putAll([bytesOf("kept")])) as [BlobPlace];
    const [gone] = (await blobs.putAll([bytesOf("gone")])) as [BlobPlace];
    const [open_] = (await blobs.putAll([bytesOf("open")])) as [BlobPlace];
    writeFileSync(join(dir, "notes.txt"), "not a segment");
    appendFileSync(join(dir, gone.segment), "torn tail");
    const isUsed = (names: readonly string[]) =>
      Promise.resolve(new Set(names.filter((name) => name === kept.segment)));
    expect(await blobs.deleteUnused(Date.now() - 60_000, isUsed)).toBe(0);
    expect(await blobs.deleteUnused(Date.now() + 1, isUsed)).toBe(1);
    // The one that is being written stays, used or not.
    expect(readdirSync(dir).sort()).toEqual([kept.segment, open_.segment, "notes.txt"].sort());
    await blobs.close();
  });
});
