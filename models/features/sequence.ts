import { type Input } from "../../protocol/index.ts";
import { type SequenceFeatures } from "../feature-spec.ts";
import { type Manifest } from "../manifest.ts";
import { unfit, type FeatureResult, type RowBuffer } from "./rows.ts";
import { writeRow } from "./write-row.ts";

type SequenceInput = Extract<Input, { kind: "sequence" }>;

/**
 * The newest `samples` of a recording at the model's rate: linear interpolation between the input's samples, anchored at
 * the last one; before its beginning the first sample is repeated. Channels are matched by name. The layout is
 * [samples, channels] unless the manifest says "NCT".
 */
export function buildSequence(
  spec: SequenceFeatures,
  modelInput: Manifest["inputs"][number],
  input: SequenceInput,
  target: RowBuffer,
  row: number,
): FeatureResult {
  const from = spec.channels.map((name) => input.channels.indexOf(name));
  const missing = from.indexOf(-1);
  if (missing !== -1) return unfit("bad_input", `the channel "${spec.channels[missing] ?? ""}" is missing`);
  const view = new DataView(input.data.buffer, input.data.byteOffset, input.data.byteLength);
  const width = input.channels.length;
  const length = input.data.byteLength / 4 / width;
  if (length < 1 || !Number.isInteger(length)) return unfit("bad_input", "the sequence holds no whole sample");
  const value = (sample: number, channel: number): number => view.getFloat32((sample * width + channel) * 4, true);
  const step = input.hertz / spec.hertz;
  const channels = spec.channels.length;
  const numbers = new Float64Array(target.elements);
  for (let sample = 0; sample < spec.samples; sample += 1) {
    const at = Math.max(0, length - 1 - (spec.samples - 1 - sample) * step);
    const low = Math.floor(at);
    const share = at - low;
    for (let channel = 0; channel < channels; channel += 1) {
      const source = from[channel] ?? 0;
      const here = value(low, source);
      const number = share === 0 ? here : here + (value(low + 1, source) - here) * share;
      const place = modelInput.layout === "NCT" ? channel * spec.samples + sample : sample * channels + channel;
      numbers[place] = (number - (spec.mean?.[channel] ?? 0)) / (spec.std?.[channel] ?? 1);
    }
  }
  return writeRow(numbers, target, row);
}
