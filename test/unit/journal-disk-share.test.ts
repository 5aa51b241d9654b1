import fc from "fast-check";
import { expect, test } from "vitest";
import { limitsOn, retentionIn } from "../../edge-agent/journal/disk-reserve.node.ts";

const mebibyte = 1024 ** 2;
const usual = {
  databaseBytesMax: 16 * 1024 * mebibyte,
  walBytesMax: 8 * mebibyte,
  reserveBytes: 16 * mebibyte,
  caseKeepMs: 1,
};

test("a large disk changes no limit", () => {
  expect(limitsOn(64 * 1024 * mebibyte, usual)).toEqual(usual);
});

test("on a disk of 64 MB the journal keeps 8 MB aside and has 38 MB for its database", () => {
  expect(limitsOn(64 * mebibyte, usual)).toEqual({
    databaseBytesMax: Math.floor(0.6 * 64 * mebibyte),
    walBytesMax: 4 * mebibyte,
    reserveBytes: 8 * mebibyte,
    caseKeepMs: 1,
  });
});

test("a journal that has its disk to itself always finds room for its reserve twice over", () => {
  fc.assert(
    fc.property(fc.double({ min: 16 * mebibyte, max: 2 ** 44, noNaN: true }), (diskBytes) => {
      const { databaseBytesMax, walBytesMax, reserveBytes } = limitsOn(diskBytes, usual);
      return databaseBytesMax + 2 * walBytesMax + 2 * reserveBytes <= diskBytes;
    }),
  );
});

test("inputs have the budget of the config, and never more than half of the database", () => {
  const retention = { journalBytesMax: 2_000_000_000, inputKeepMs: 1, unansweredMaxMs: 2 };
  expect(retentionIn(retention, usual)).toEqual(retention);
  expect(retentionIn(retention, limitsOn(2_000_000_000, usual))).toEqual({
    ...retention,
    journalBytesMax: 600_000_000,
  });
});
