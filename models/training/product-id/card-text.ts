import { type Manifest } from "../../manifest.ts";
import type { CurvePoint } from "../../measure/risk-coverage.ts";
import { percent, table } from "./card-table.ts";
import type { AlikeShares } from "./near-duplicates.ts";
import { delta, type Evaluation, type GateRow, type Share } from "./evaluate.ts";

/** Everything that the card shows. */
export interface CardFacts {
  readonly fine: Evaluation;
  readonly coarse: Evaluation;
  readonly parts: Readonly<Record<"calibrate" | "certify" | "report", { pictures: number; groups: number }>>;
  readonly manifest: Manifest;
  /** Runtime, version and CPU features that the speed was measured with. */
  readonly runtime: string;
  readonly speed: { readonly p50Ms: number; readonly cpuMs: number };
  readonly batchDifference: number;
  readonly confusions: readonly { truth: string; answer: string; count: number; confident: number }[];
  /** Agreement with pixels that Pillow made; null where they were not given. */
  readonly pillow: { readonly sameLabel: Share; readonly accuracy: Share; readonly pixelMax: number } | null;
  readonly alike: AlikeShares;
}

export function cardText(facts: CardFacts): string {
  return [
    intro(facts),
    accuracy(facts),
    gates("Gate thresholds, fine (81 classes)", facts.fine),
    gates("Gate thresholds, coarse (43 classes)", facts.coarse),
    curves(facts),
    weaknesses(facts),
    making(),
    sources(),
  ].join("\n\n");
}

function intro({ manifest, runtime, speed, batchDifference }: CardFacts): string {
  const { bytes, digest, features } = manifest;
  const { side, short } = sidesOf(features);
  const rows = [
    ["input", `\`pixels\` uint8 [batch, ${side}, ${side}, 3] RGB; normalisation is inside the graph`],
    ["pre-processing", `orientation applied, short side to ${short} (bilinear as Pillow does it), centre crop`],
    ["output", "`logits` float32 [batch, 81]; the coarse class is the one with the largest summed probability"],
    ["size", `${bytes.toLocaleString("en")} bytes, \`${digest}\``],
    [
      "speed",
      `${speed.p50Ms.toFixed(2)} ms (median of the quietest of 20 blocks; CPU time ${speed.cpuMs.toFixed(2)} ms) for one picture on one core, without decoding and pre-processing (${runtime})`,
    ],
    ["batches", `the same rows at batch 1 and 32 (largest difference of a logit ${batchDifference})`],
    ["licence", "Apache-2.0"],
  ];
  return `# product-id 1.0.0

<!-- Written by \`npm run zoo:card\` from measurements. Change models/training/product-id/card-text.ts, not this file. -->

Names the grocery product in one picture: 81 fine classes ("Royal-Gala"), 43 coarse ones ("Apple"). MobileNetV2,
started from public ImageNet weights and trained throughout on pictures from stores.

${table(["", ""], rows)}

**Meant for** a camera or a till that suggests a product behind a gate, with a person where the gate is not sure.
**Not meant for** prices without such a gate, products outside the 81 (it knows no "none of these"), several products
in one picture, or the identity of people. Certify it on your own store's labels before you automate anything: every
number below is about one public set of pictures.`;
}

function sidesOf(features: Manifest["features"]): { side: number; short: number } {
  if (features.kind !== "image" || !("shortSide" in features.resize)) throw new Error("this card is for pictures");
  return { side: features.width, short: features.resize.shortSide };
}

function accuracy({ fine, coarse, parts, pillow, alike }: CardFacts): string {
  const shares = (item: Share): string =>
    `${percent(item.share)} (${item.hits}/${item.items}; ${percent(item.lower)} to ${percent(item.upper)})`;
  const rows = (
    [
      ["fine", fine],
      ["coarse", coarse],
    ] as const
  ).map(([name, level]) => [
    name,
    shares(level.field),
    shares(level.report),
    level.eceBefore.toFixed(3),
    level.eceAfter.toFixed(3),
    level.areas.aurc.toFixed(4),
    level.areas.eAurc.toFixed(4),
    level.areas.augrc.toFixed(4),
  ]);
  const used = (["calibrate", "certify", "report"] as const).map(
    (part) => `${part} ${parts[part].pictures} pictures in ${parts[part].groups} groups`,
  );
  const agreement =
    pillow === null
      ? ""
      : `\n\nOn pixels that Pillow made of the same files the label is the same for ${shares(pillow.sameLabel)}
and the accuracy ${shares(pillow.accuracy)}; ${
          pillow.pixelMax === 0
            ? "not one byte of a pixel differs"
            : `a byte of a pixel differs by ${pillow.pixelMax} at most`
        }.`;
  return `## How good it is

Measured on \`field\` (1,265 pictures from stores that training has not seen), on the shipped file, in onnxruntime,
behind the pre-processing that serves. Top-1 accuracy with its exact 95 % interval; ECE (15 bins) and areas on the
report quarter, before and after calibration.

${table(["level", "accuracy, all of field", "accuracy, report", "ECE before", "ECE after", "AURC", "E-AURC", "AUGRC"], rows)}

**Split.** ${used.join("; ")}.
Near-duplicates stay together: two pictures of one class are linked if their 16 × 16 colour thumbnails (mean of each
channel removed) correlate at 0.6 or more, and linked pictures form a group. Of pairs of different classes
${percent(alike.strangers, 3)} are that alike, of neighbours in file order inside a class ${percent(alike.neighbours)}, of other pairs of a class
${percent(alike.others)}; so neighbours get no special treatment here. Groups, not pictures, are shuffled (seed 1) into the parts.${agreement}`;
}

function gates(title: string, level: Evaluation): string {
  const head = [
    "certified error",
    "gate threshold",
    "coverage",
    "wrong",
    "upper bound",
    "report: wrong",
    "naive, report: wrong",
  ];
  const wrong = ({ errors, accepted }: { errors: number; accepted: number }): string =>
    accepted === 0 ? "0 of 0" : `${errors} of ${accepted} (${percent(errors / accepted)})`;
  const row = ({ maxError, certificate, reported, naive }: GateRow): string[] => [
    `≤ ${percent(maxError, 0)}`,
    ...(certificate.gateThreshold === null
      ? [
          "nothing certifiable",
          "0",
          `about ${certificate.labelsNeeded.toLocaleString("en")} more labels needed`,
          "–",
          "–",
        ]
      : [
          certificate.gateThreshold.toFixed(4),
          percent(certificate.coverage),
          wrong(certificate),
          percent(certificate.upperBound ?? 1, 2),
          wrong(reported),
        ]),
    wrong(naive),
  ];
  const labels = level.gates[0]?.certificate.labels ?? 0;
  const raw = level.raw95;
  return `## ${title}

\`fallback_auto\` at δ = ${delta} on ${labels} labels: one picture of each group of the certification half, because
near-duplicates are one piece of evidence. "report" is what the gate then did to the report quarter; "naive" is the
lowest gate threshold whose observed risk was within the limit, which proves nothing. A raw softmax of 0.95 would have
accepted ${raw.accepted} of ${level.report.items} report pictures, ${wrong(raw)} wrong.

${table(head, level.gates.map(row))}`;
}

function curves({ fine, coarse }: CardFacts): string {
  const at = (curve: readonly CurvePoint[], share: number): string => {
    const items = curve.at(-1)?.accepted ?? 0;
    const point = curve.find((candidate) => candidate.accepted >= share * items);
    return point === undefined
      ? "–"
      : `${percent(point.errors / point.accepted)} (${point.errors}/${point.accepted}), ≥ ${point.gateThreshold.toFixed(3)}`;
  };
  const rows = Array.from({ length: 10 }, (_, i) => (i + 1) / 10).map((share) => [
    percent(share, 0),
    at(fine.curve, share),
    at(coarse.curve, share),
  ]);
  return `## Risk and coverage (report quarter)

Selective risk if the most confident share is accepted, and the confidence it takes.

${table(["coverage", "fine", "coarse"], rows)}`;
}

function weaknesses({ confusions }: CardFacts): string {
  const rows = confusions.map(({ truth, answer, count, confident }) => [
    truth,
    answer,
    String(count),
    String(confident),
  ]);
  return `## Known weaknesses

Look-alikes: varieties of one fruit, and cartons of one brand. The most frequent confusions on all of \`field\`, and how
many of them had a softmax of at least 0.9:

${table(["picture of", "taken for", "times", "at ≥ 0.9"], rows)}

The pictures come from one country's stores and one kind of hand-held camera; other light, packaging or seasons are
not measured. Pictures of one group are alike and so are stores: the certificates hold for pictures drawn as these
were, not for yours.`;
}

function making(): string {
  return `## Making it again

Training reads \`train\` (2,640 pictures); \`val\` is only printed, because it has 60 of the 81 classes and misleads. It
takes about a quarter of an hour on two cores without a GPU. On Debian 12, in a checkout after \`npm ci\`:

\`\`\`sh
apt-get install python3-torch python3-onnx python3-pil python3-numpy
/usr/bin/python3 models/training/product-id/train.py --data ../shared/data/grocery \\
  --init mobilenetv2-12-int8.onnx --out models/zoo/product-id
\`\`\`

At its end it runs \`npm run zoo:card\`, which measures the file, fits both calibrations, completes the manifest and
writes this card. The short side was chosen by \`val\` and by the quarter of \`field\` that calibrates (128 to 192 were
tried on these); before that, a draft at 128 had been measured once on all of \`field\`, 82.1 % fine. No other choice
looked at \`field\`. A run is seeded; another number of threads or another processor gives slightly other weights.`;
}

function sources(): string {
  return `## Licence and sources

The model is Apache-2.0. It started from [MobileNetV2 int8 of the ONNX Model Zoo](https://github.com/onnx/models)
(Apache-2.0; trained on ImageNet-1k, whose pictures are for research), and every weight was trained further on
[GroceryStoreDataset](https://github.com/marcusklasson/GroceryStoreDataset) (MIT, © 2019 Marcus Klasson). No picture is
part of the model or of this package.`;
}
