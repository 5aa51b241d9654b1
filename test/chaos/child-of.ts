import { readFileSync } from "node:fs";

/** Process ids of the inference children of an agent; Linux says them, elsewhere there are none. */
export function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
    return text
      .split(" ")
      .filter((part) => part.trim() !== "")
      .map(Number);
  } catch {
    return [];
  }
}

const pageBytes = 4096;

/** Resident memory of a process, bytes; 0 where it is gone. */
export function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * pageBytes;
  } catch {
    return 0;
  }
}
