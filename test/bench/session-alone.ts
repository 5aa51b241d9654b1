import * as ort from "onnxruntime-node";

/** The yardstick "the model alone" on one thread, with the options that the product itself uses. */
export const oneThread: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: "all",
  extra: { session: { intra_op: { allow_spinning: "0" } } },
};

/** Runs pictures of bytes through a model whose input is `pixels`, uint8 [batch, height, width, 3]. */
export async function pixelsAlone(
  model: string | Uint8Array,
  side: number,
): Promise<(rows: number) => () => Promise<unknown>> {
  const session = await (typeof model === "string"
    ? ort.InferenceSession.create(model, oneThread)
    : ort.InferenceSession.create(model, oneThread));
  return (rows) => {
    const data = new Uint8Array(rows * side * side * 3).map((_, i) => (i * 7) % 251);
    return () => session.run({ pixels: new ort.Tensor("uint8", data, [rows, side, side, 3]) });
  };
}

/** Milliseconds of each of `count` calls, one after another. */
export async function timesOf(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const startMs = performance.now();
    await work();
    times.push(performance.now() - startMs);
  }
  return times;
}
