import { createDecipheriv, hash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type TakenPicture } from "../../cloud-sync/hub/blobs/picture-vault.ts";
import { createSealer } from "../../cloud-sync/hub/blobs/sealing-thread.node.ts";
import { sealPictures, type SealedPictures } from "../../cloud-sync/hub/blobs/sealing.node.ts";

const digestOf = (bytes: Uint8Array): string => hash("sha256", bytes, "hex");

/** Pictures as they lie in one message, with `between` bytes of text before each. */
function messageOf(sizes: readonly number[], between: number): readonly TakenPicture[] {
  const memory = new ArrayBuffer(sizes.reduce((sum, size) => sum + size + between, 0));
  let at = 0;
  return sizes.map((size, index) => {
    const bytes = new Uint8Array(memory, at + between, size);
    for (let i = 0; i < size; i += 1) bytes[i] = (i * 31 + index) & 255;
    at += between + size;
    return { caseId: `case-${index}`, bytes, sha256: digestOf(bytes) };
  });
}

/** Each picture that was sealed, opened with its key; null where it was left out. */
function opened(pictures: readonly { readonly caseId: string }[], { bytes, keys, sizes }: SealedPictures) {
  let at = 0;
  let sealed = 0;
  return pictures.map(({ caseId }, index) => {
    const size = sizes[index] ?? 0;
    if (size === 0) return null;
    const one = bytes.subarray(at, (at += size));
    const decipher = createDecipheriv(
      "aes-256-gcm",
      keys.subarray(sealed * 32, (sealed += 1) * 32),
      one.subarray(0, 12),
    );
    decipher.setAAD(Buffer.from(caseId));
    decipher.setAuthTag(one.subarray(size - 16));
    return new Uint8Array(Buffer.concat([decipher.update(one.subarray(12, size - 16)), decipher.final()]));
  });
}

test("what is sealed opens again, over its own message or beside it, and a wrong digest is left out", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(sizes, fc.constantFrom(0, 12, 28, 40), fc.nat(11), fc.boolean(), (all, between, wrong, isFree) => {
      const pictures = messageOf(all, between).map((one, index) => {
        return index === wrong ? { ...one, sha256: "0".repeat(64) } : one;
      });
      const before = pictures.map(({ bytes }) => Uint8Array.from(bytes));
      const memory = isFree ? (pictures[0]?.bytes.buffer as ArrayBuffer) : null;
      const sealed = sealPictures(pictures, memory);
      expect(opened(pictures, sealed)).toEqual(before.map((bytes, index) => (index === wrong ? null : bytes)));
      // Where there is room between them nothing new is made; without it no picture is written over before its turn.
      expect(sealed.bytes.buffer === memory).toBe(memory !== null && between >= 28);
    }),
  );
});

test("no two pictures have the same key or nonce", () => {
  const pictures = messageOf([64, 64, 64, 64], 40);
  const { bytes, keys } = sealPictures(pictures);
  const nonces = pictures.map((_, index) => Buffer.from(bytes.subarray(index * 92, index * 92 + 12)).toString("hex"));
  const texts = pictures.map((_, index) => Buffer.from(keys.subarray(index * 32, index * 32 + 32)).toString("hex"));
  expect(new Set([...nonces, ...texts]).size).toBe(8);
});

test("many pictures of one message move to the thread, few stay", async () => {
  const sealer = createSealer(true);
  const many = messageOf(Array<number>(40).fill(12_288), 40);
  const before = many.map(({ bytes }) => Uint8Array.from(bytes));
  const both = [sealer.seal(many), sealer.seal(messageOf(Array<number>(40).fill(12_288), 40))] as const;
  expect(many[0]?.bytes.byteLength).toBe(0);
  const [first] = await Promise.all(both);
  expect(opened(many, first)).toEqual(before);
  const few = messageOf([100, 200], 40);
  const sealed = await sealer.seal(few);
  expect(few[0]?.bytes.byteLength).toBe(100);
  expect(opened(few, sealed)).toEqual(few.map(({ bytes }) => Uint8Array.from(bytes)));
  await sealer.close();
});

test("what a closed thread had not sealed is refused, and another thread begins with the next message", async () => {
  const sealer = createSealer(true);
  const lost = sealer.seal(messageOf(Array<number>(40).fill(12_288), 40));
  const refused = expect(lost).rejects.toMatchObject({ code: "HP_BUSY", retry: "backoff" });
  await sealer.close();
  await refused;
  const next = messageOf(Array<number>(40).fill(12_288), 40);
  const before = next.map(({ bytes }) => Uint8Array.from(bytes));
  expect(opened(next, await sealer.seal(next))).toEqual(before);
  await sealer.close();
});
