/**
 * Writes tiny ONNX files, so that tests run real onnxruntime on models that are made for them. Field numbers are those of
 * onnx.proto (ONNX IR version 8); only what is needed here.
 */

type Bytes = readonly number[];

function varint(value: number | bigint): Bytes {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    out.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return out;
}

const number = (field: number, value: number | bigint): Bytes => [...varint(field << 3), ...varint(value)];
const bytes = (field: number, value: Iterable<number>): Bytes => {
  const content = [...value];
  return [...varint((field << 3) | 2), ...varint(content.length), ...content];
};
const text = (field: number, value: string): Bytes => bytes(field, new TextEncoder().encode(value));

export const onnxTypes = { float32: 1, uint8: 2, int64: 7, bool: 9, float16: 10 } as const;
export type OnnxType = keyof typeof onnxTypes;

export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly (number | string)[];
}

export function value({ name, type, shape }: OnnxValue): Bytes {
  const dims = shape.flatMap((size) => bytes(1, typeof size === "number" ? number(1, size) : text(2, size)));
  const tensor = [...number(1, onnxTypes[type]), ...bytes(2, dims)];
  return [...text(1, name), ...bytes(2, bytes(1, tensor))];
}

export function tensor(name: string, type: OnnxType, shape: readonly number[], data: readonly number[]): Bytes {
  const raw =
    type === "float32"
      ? Float32Array.from(data)
      : type === "int64"
        ? BigInt64Array.from(data, BigInt)
        : Uint8Array.from(data);
  return [
    ...shape.flatMap((size) => number(1, size)),
    ...number(2, onnxTypes[type]),
    ...text(8, name),
    ...bytes(9, new Uint8Array(raw.buffer)),
  ];
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | Bytes>>;
  /** Subgraph attributes, encoded. */
  readonly graphs?: Readonly<Record<string, Bytes>>;
}

function node({ op, inputs, outputs, attributes = {}, graphs = {} }: OnnxNode): Bytes {
  const ints = Object.entries(attributes).map(([name, i]) =>
    typeof i === "number"
      ? bytes(5, [...text(1, name), ...number(3, i), ...number(20, 2)])
      : bytes(5, [...text(1, name), ...i.flatMap((one) => number(8, one)), ...number(20, 7)]),
  );
  const subgraphs = Object.entries(graphs).map(([name, graph]) =>
    bytes(5, [...text(1, name), ...bytes(6, graph), ...number(20, 5)]),
  );
  return [
    ...inputs.flatMap((name) => text(1, name)),
    ...outputs.flatMap((name) => text(2, name)),
    ...text(4, op),
    ...ints.flat(),
    ...subgraphs.flat(),
  ];
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly constants?: readonly Bytes[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

export function graph({ nodes, constants = [], inputs, outputs }: OnnxGraph): Bytes {
  return [
    ...nodes.flatMap((one) => bytes(1, node(one))),
    ...text(2, "test"),
    ...constants.flatMap((one) => bytes(5, one)),
    ...inputs.flatMap((one) => bytes(11, value(one))),
    ...outputs.flatMap((one) => bytes(12, value(one))),
  ];
}

export function onnxFile(content: OnnxGraph): Uint8Array {
  const opset = [...text(1, ""), ...number(2, 13)];
  return Uint8Array.from([
    ...number(1, 8),
    ...text(2, "holdpoint-test"),
    ...bytes(7, graph(content)),
    ...bytes(8, opset),
  ]);
}
