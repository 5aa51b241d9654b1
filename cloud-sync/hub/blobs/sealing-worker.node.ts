import { parentPort } from "node:worker_threads";
import { sealPictures, type SealingAnswer, type SealingQuestion } from "./sealing.node.ts";

/** Entry of the thread that seals pictures. */
parentPort?.on("message", (question: SealingQuestion) => {
  const { answer, moves } = answerTo(question);
  parentPort?.postMessage(answer, moves);
});

function answerTo({ job, memory, pictures }: SealingQuestion): { answer: SealingAnswer; moves: ArrayBuffer[] } {
  try {
    const sealed = sealPictures(
      pictures.map(({ caseId, offset, length, sha256 }) => {
        return { caseId, bytes: new Uint8Array(memory, offset, length), sha256 };
      }),
      memory,
    );
    return { answer: { job, ...sealed }, moves: [sealed.bytes.buffer, sealed.keys.buffer] };
  } catch (cause) {
    return { answer: { job, fault: cause instanceof Error ? cause.message : String(cause) }, moves: [] };
  }
}
