import { readFile } from "node:fs/promises";
import { writeDurable } from "./durable-file.node.ts";
import { type CursorStore } from "./feed.ts";

/** The feed's cursor in a file. One that cannot be read is none: the hub then tells again what it still has. */
export function cursorFile(path: string): CursorStore {
  return {
    read: async () => {
      const text = await readFile(path, "utf8").catch((cause: unknown) => {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return "";
        throw cause;
      });
      return /^[\x21-\x7e]{1,200}\n$/.test(text) ? text.trim() : null;
    },
    write: (cursor) => writeDurable(path, `${cursor}\n`),
  };
}
