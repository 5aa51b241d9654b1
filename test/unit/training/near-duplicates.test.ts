import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  alikeShares,
  nearDuplicateGroups,
  splitGroups,
  thumbnail,
} from "../../../models/training/product-id/near-duplicates.ts";
import { type Picture } from "../../../models/features/picture.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const side = 32;
const decoded = (data: Uint8Array): Picture => ({ data, width: side, height: side, channels: 3 });

/** A random picture, or one that differs from `like` by a little noise. */
function picture(random: () => number, like?: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: side * side * 3 }, (_, i) =>
    like === undefined ? random() * 256 : Math.min(255, (like[i] ?? 0) + random() * 20),
  );
}

describe("near-duplicates", () => {
  const random = seededDraw(4);
  const first = picture(random);
  const again = picture(random, first);
  const pictures = [first, picture(random), again].map((pixels) => thumbnail(decoded(pixels)));

  test("share a group when they are alike and of one class, wherever they stand", () => {
    const [a, b, c] = nearDuplicateGroups(pictures, [0, 0, 0]);
    expect(a).toBe(c);
    expect(a).not.toBe(b);
  });

  test("of different classes stay apart, and are counted as strangers", () => {
    const [a, , c] = nearDuplicateGroups(pictures, [0, 0, 1]);
    expect(a).not.toBe(c);
    expect(alikeShares(pictures, [0, 0, 1])).toEqual({ strangers: 0.5, neighbours: 0, others: 0 });
  });

  test("do not change with the light", () => {
    const dim = first.map((value) => value / 2);
    const [a, b] = nearDuplicateGroups(
      [first, dim].map((pixels) => thumbnail(decoded(pixels))),
      [0, 0],
    );
    expect(a).toBe(b);
  });
});

describe("the split", () => {
  const groups = fc.array(fc.nat(200), { minLength: 200, maxLength: 600 });

  test("keeps every group in one part, near a quarter, a half and a quarter", () => {
    fc.assert(
      fc.property(groups, fc.nat(), (of, seed) => {
        const parts = splitGroups(of, seed);
        const homes = new Map(of.map((group, i) => [group, parts[i]]));
        expect(of.every((group, i) => homes.get(group) === parts[i])).toBe(true);
        const largest = Math.max(...[...homes.keys()].map((group) => of.filter((other) => other === group).length));
        for (const [part, share] of [
          ["calibrate", 0.25],
          ["certify", 0.5],
          ["report", 0.25],
        ] as const) {
          const size = parts.filter((own) => own === part).length;
          expect(Math.abs(size - share * of.length)).toBeLessThanOrEqual(largest + 1);
        }
      }),
    );
  });

  test("is the same for the same seed, and another for another", () => {
    const of = Array.from({ length: 300 }, (_, i) => i);
    expect(splitGroups(of, 1)).toEqual(splitGroups(of, 1));
    expect(splitGroups(of, 1)).not.toEqual(splitGroups(of, 2));
  });
});
