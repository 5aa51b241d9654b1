import { reviewLimits, type Input, type ReviewCase, type Scalar } from "../../protocol/index.ts";

/** What a person can be shown of an input that is no picture: a table of facts, and the curves of a sequence. */
export interface CaseFacts {
  readonly facts: ReviewCase["facts"];
  readonly series: ReviewCase["series"];
}

type Fact = ReviewCase["facts"][number];
type Series = ReviewCase["series"][number];

export function factsOf(input: Input): CaseFacts {
  switch (input.kind) {
    case "image":
    case "pixels":
      return { facts: [], series: [] };
    case "features":
      return { facts: bounded(valueFacts(input.values)), series: [] };
    case "event":
      return { facts: bounded([fact("entity", input.entity), ...valueFacts(input.values)]), series: [] };
    case "entity":
      return { facts: [fact("entity", input.entity)], series: [] };
    case "items":
      return { facts: bounded(itemFacts(input)), series: [] };
    case "tensor":
      return { facts: [fact("shape", input.shape.join(" × ")), fact("type", input.dtype)], series: [] };
    case "sequence":
      return sequenceFacts(input);
  }
}

function valueFacts(values: Readonly<Record<string, Scalar>>): readonly Fact[] {
  return Object.entries(values).map(([name, value]) => fact(name, value === null ? "–" : String(value)));
}

function itemFacts(input: Extract<Input, { kind: "items" }>): readonly Fact[] {
  const items = input.items.map(({ label, count, confidence }) =>
    fact(label, confidence === undefined ? `${count} ×` : `${count} × (${Math.round(confidence * 100)}% sure)`),
  );
  return input.grams === undefined ? items : [fact("weight", `${rounded(input.grams)} g`), ...items];
}

function sequenceFacts(input: Extract<Input, { kind: "sequence" }>): CaseFacts {
  const channels = input.channels.length;
  const samples = Math.floor(input.data.byteLength / (4 * channels));
  const seconds = samples / input.hertz;
  const series: Series[] = [];
  const facts: Fact[] = [fact("duration", `${rounded(seconds)} s at ${rounded(input.hertz)} Hz`)];
  for (const [channel, name] of input.channels.slice(0, reviewLimits.seriesMax).entries()) {
    const points = thinned(input.data, channels, channel, samples);
    const [first, last] = [points[0], points[points.length - 1]];
    if (first === undefined || last === undefined) continue;
    const change = last - first;
    facts.push(
      fact(name, `${rounded(first)} → ${rounded(last)} (${change < 0 ? "−" : "+"}${rounded(Math.abs(change))})`),
    );
    series.push({ name, points, seconds });
  }
  const hidden = channels - reviewLimits.seriesMax;
  if (hidden > 0) facts.push(fact("not shown", `${hidden} further channels`));
  return { facts, series };
}

/** Samples of one channel, at most `seriesPointsMax`, the first and the last among them; row-major float32. */
function thinned(data: Uint8Array, channels: number, channel: number, samples: number): number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const count = Math.min(samples, reviewLimits.seriesPointsMax);
  return Array.from({ length: count }, (_, i) => {
    const sample = count === 1 ? 0 : Math.round((i * (samples - 1)) / (count - 1));
    return Number(view.getFloat32((sample * channels + channel) * 4, true).toPrecision(6));
  });
}

function bounded(facts: readonly Fact[]): Fact[] {
  if (facts.length <= reviewLimits.factsMax) return [...facts];
  const shown = facts.slice(0, reviewLimits.factsMax - 1);
  return [...shown, fact("not shown", `${facts.length - shown.length} further values`)];
}

function fact(name: string, value: string): Fact {
  return { name, value };
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(4)));
}
