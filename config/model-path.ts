/** What a model's path tells before it is opened. */

export const exportHint =
  "Models are ONNX: scikit-learn exports with skl2onnx, PyTorch with torch.onnx.export, Keras and TensorFlow with tf2onnx.";

const exporters: readonly (readonly [readonly string[], string, string])[] = [
  [
    [".pkl", ".pickle", ".joblib"],
    "a Python pickle",
    "Export it to ONNX where it was trained. scikit-learn: skl2onnx.to_onnx(model, X[:1]).SerializeToString(), written to a .onnx file (xgboost and lightgbm: onnxmltools). A pickled PyTorch module: torch.onnx.export(model, example, 'model.onnx').",
  ],
  [
    [".pt", ".pth", ".ckpt", ".safetensors", ".torchscript"],
    "a PyTorch file",
    "Export it to ONNX: torch.onnx.export(model.eval(), example, 'model.onnx', dynamo=True).",
  ],
  [
    [".h5", ".hdf5", ".keras", ".pb", ".tflite", ".savedmodel"],
    "a Keras or TensorFlow file",
    "Export it to ONNX: python -m tf2onnx.convert --saved-model DIR --output model.onnx (Keras 3: model.export('model.onnx', format='onnx')).",
  ],
  [
    [".ubj", ".xgb", ".lgb", ".bst", ".model"],
    "a boosted-trees file",
    "Export it to ONNX with onnxmltools: convert_xgboost or convert_lightgbm.",
  ],
  [[".cbm"], "a CatBoost file", "Export it to ONNX: model.save_model('model.onnx', format='onnx')."],
  [
    [".engine", ".plan", ".trt", ".mlmodel", ".mlpackage", ".gguf", ".rds", ".pmml"],
    "a format that is not run here",
    `Give the ONNX file that it was made from, or export one. ${exportHint}`,
  ],
];

export interface ModelProblem {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** HP_MODEL_FORMAT for a file that is no ONNX by its name; null where the name says nothing against it. */
export function modelProblem(path: string): ModelProblem | null {
  const lower = path.toLowerCase().replace(/\/+$/, "");
  const found = exporters.find(([endings]) => endings.some((ending) => lower.endsWith(ending)));
  if (found === undefined) return null;
  const [, what, hint] = found;
  return {
    code: "HP_MODEL_FORMAT",
    message: `${path} is ${what}, not ONNX`,
    hint: `${hint} Then set model_path to it and run holdpoint model init.`,
  };
}
