import {
  deciders,
  hubLimits,
  idPattern,
  isPlainContext,
  limits,
  namePattern,
  outboxKinds,
  pictureTypes,
  reasons,
  verdicts,
  type Decision,
  type IngestRequest,
  type Sample,
} from "../../../protocol/index.ts";
import {
  orNull,
  plainFlag,
  plainInteger,
  plainList,
  plainNumber,
  plainPattern,
  plainShape,
  plainText,
  plainWord,
} from "./plain-shape.ts";

/**
 * The way of what a store's box sends by the thousand: an ingest call with nothing unusual, and the body of a case.
 * True only for what `ingestRequestSchema` and `outboxBodies` take as it is (plain-shape.ts).
 */

/** A text of a message, and one that must say something. */
const text = plainText(limits.textCharsMax);
const word = plainText(limits.textCharsMax, 1);
const anyText = plainText(Infinity);
const id = plainPattern(idPattern);
const count = plainInteger(0);
const wallMs = plainInteger(0, 8.64e15);
const share = plainNumber(0, 1);
const anyNumber = plainNumber();
const sha256Hex = plainPattern(/^[0-9a-f]{64}$/);

const view = plainShape({
  ...{ id: text, task: text, store: text, device: text, context: isPlainContext, inputKind: text },
  facts: plainList(plainShape({ name: text, value: text })),
  series: plainList(plainShape({ name: text, points: plainList(anyNumber), seconds: anyNumber })),
  suggestions: plainList(plainShape({ label: text, confidence: share })),
  ...{ gateThreshold: share, confidence: share, reasons: plainList(text), question: text },
  ...{ explanation: orNull(text), audit: plainFlag, heldAtMs: anyNumber },
});

const brief = plainShape(
  {
    view,
    reviewLeftMs: orNull(anyNumber),
    picture: orNull(
      plainShape({
        sha256: sha256Hex,
        bytes: plainInteger(0, hubLimits.blobBytesMax),
        contentType: plainWord(pictureTypes),
      }),
    ),
    costs: orNull(plainShape({ review: anyNumber, wrongAccept: anyNumber })),
  },
  { isEvicted: plainFlag },
);

const item = plainShape(
  {
    ...{ seq: plainInteger(1), kind: plainWord(outboxKinds), id, createdAtMs: wallMs },
    body: plainText(hubLimits.ingestBodyCharsMax),
  },
  { brief },
);

const request = plainShape(
  {
    ...{ v: plainWord([1]), epoch: word, from: plainInteger(1), lastSeq: count },
    items: plainList(item, hubLimits.ingestItemsMax),
  },
  {
    skipped: count,
    pictures: plainList(
      plainShape({ id, sha256: sha256Hex, data: (value) => value instanceof Uint8Array }),
      hubLimits.ingestItemsMax,
    ),
  },
);

export function isPlainIngest(value: unknown): value is IngestRequest {
  return request(value);
}

const decision = plainShape({
  ...{ v: plainWord([1]), id, revision: plainInteger(1), task: plainPattern(namePattern) },
  ...{ status: plainWord(["final", "pending"]), verdict: plainWord(verdicts), decidedBy: plainWord(deciders) },
  answer: orNull(
    plainShape(
      { label: text },
      { value: anyNumber, alternatives: plainList(plainShape({ label: anyText, confidence: share })) },
    ),
  ),
  ...{ confidence: share, score: share, gateThreshold: share, certificate: orNull(anyText) },
  reasons: plainList(plainWord(reasons), Infinity, 1),
  model: orNull(plainShape({ name: anyText, version: anyText, digest: anyText })),
  config: plainShape({ revision: count, digest: anyText }),
  ...{ provider: anyText, at: wallMs, latencyMs: plainNumber(0), explanation: orNull(anyText) },
});

const rung = plainWord(["fine", "coarse"]);

const second = plainShape({
  ...{ rung, label: word, confidence: share, calibration: word, gateThreshold: share },
  ...{ certificate: orNull(word), accepts: plainFlag },
});

const caseBody = plainShape(
  { id, decision },
  {
    sample: plainShape(
      {
        propensity: plainNumber(Number.MIN_VALUE, 1),
        ...{ uniform: plainFlag, rule: plainFlag, rung },
        ...{ confidence: orNull(share), calibration: orNull(anyText) },
      },
      { second: orNull(second), groups: sha256Hex },
    ),
  },
);

/** The body of an escalation or audit row. */
export function isPlainCaseBody(value: unknown): value is CaseBody {
  return caseBody(value);
}

interface CaseBody {
  readonly id: string;
  readonly decision: Decision;
  readonly sample?: Sample;
}
