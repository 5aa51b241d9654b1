import { onnxFile, tensor } from "./models-onnx.ts";

/** sigmoid(x[0]): one number for two labels. */
export function scoreModel(): Uint8Array {
  return onnxFile({
    nodes: [
      { op: "MatMul", inputs: ["x", "w"], outputs: ["z"] },
      { op: "Sigmoid", inputs: ["z"], outputs: ["y"] },
    ],
    constants: [tensor("w", "float32", [2, 1], [1, 0])],
    inputs: [{ name: "x", type: "float32", shape: ["batch", 2] }],
    outputs: [{ name: "y", type: "float32", shape: ["batch", 1] }],
  });
}
