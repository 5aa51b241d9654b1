import { type ChildProcess } from "node:child_process";

/** Asks a forked process one question after another; the answers come in the order of the questions. */
export function answersOf(child: ChildProcess, name: string): <T>(question?: unknown) => Promise<T> {
  const waiting: { readonly resolve: (message: unknown) => void; readonly reject: (error: Error) => void }[] = [];
  const early: unknown[] = [];
  let end: Error | null = null;
  child.on("message", (message) => {
    const first = waiting.shift();
    if (first) first.resolve(message);
    else early.push(message);
  });
  child.once("exit", (code, signal) => {
    end = new Error(`${name} ended with ${String(code ?? signal)}`);
    for (const { reject } of waiting.splice(0)) reject(end);
  });
  return <T>(question?: unknown) =>
    new Promise<T>((resolve, reject) => {
      if (end) {
        reject(end);
        return;
      }
      if (question !== undefined) child.send(question as object);
      if (early.length > 0) resolve(early.shift() as T);
      else waiting.push({ resolve: resolve as (message: unknown) => void, reject });
    });
}
