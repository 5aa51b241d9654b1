import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { answersOf, coarseOf, type Unparted } from "../../../models/training/product-id/answers.ts";
import { readPictures } from "../../../models/training/product-id/field.node.ts";
import { findAll, served } from "../../../models/training/product-id/found.node.ts";
import { MeasuredModel } from "../../../models/training/product-id/measured-model.node.ts";
import { nearDuplicateGroups } from "../../../models/training/product-id/near-duplicates.ts";
import { splitStudy } from "../../../models/training/product-id/split-study.ts";
import { splitTable } from "../../../models/training/product-id/split-text.ts";
import { sharedFile, whyNoShared } from "../../support/shared-data.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

describe("certifying on many splits", () => {
  it("certifies what the labels carry, says what is missing where they do not, and is the same again", () => {
    const random = seededDraw(4);
    const answers = Array.from({ length: 1200 }, (_, group): Unparted => {
      const score = random() ** 0.2;
      return { score, correct: random() < score ** 2 ? 1 : 0, group };
    });
    const rows = splitStudy(answers, 10);
    expect(rows.map(({ maxError }) => maxError)).toEqual([0.1, 0.05, 0.02, 0.01]);
    for (const { nothing, labelsNeeded, certified, naive } of rows) {
      expect(labelsNeeded === null).toBe(nothing === 0);
      expect(certified.coverage).toBeLessThanOrEqual(naive.coverage);
    }
    expect(rows[0]?.nothing).toBe(0);
    expect(rows[0]?.certified.coverage).toBeGreaterThan(0.3);
    expect(rows.at(-1)?.nothing).toBe(10);
    expect(rows.at(-1)?.labelsNeeded).toBeGreaterThan(0);
    expect(splitStudy(answers, 10)).toEqual(rows);
    expect(splitTable("fine", rows).split("\n")).toHaveLength(6);
  });

  const tar = "data/grocery/field.tar";
  const missing = whyNoShared(tar);
  if (missing !== null) console.warn(`the splits of the field pictures are not tested: ${missing}`);

  it.skipIf(missing !== null)("the shipped model on some of the field pictures: 10 % coarse, never 1 %", async () => {
    const folder = "models/zoo/product-id";
    const file = path.join(folder, "manifest.json");
    const manifest = served(JSON.parse(readFileSync(file, "utf8")), file);
    const model = await MeasuredModel.open(folder, manifest);
    // Every third picture, so that each class is there.
    const pictures = (await readPictures(sharedFile(tar) ?? "")).filter((_, i) => i % 3 === 0);
    const found = await findAll(model, pictures, model.pixels(pictures.map((one) => one.picture)));
    const groups = nearDuplicateGroups(found.thumbnails, found.truths);
    const rows = splitStudy(answersOf(found, groups, coarseOf(manifest)), 5);
    expect(rows[0]?.certified.coverage).toBeGreaterThan(0.6);
    expect(rows.at(-1)).toMatchObject({ nothing: 5, certified: { coverage: 0 } });
  });
});
