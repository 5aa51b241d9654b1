import { watch, type FSWatcher } from "node:fs";
import { basename, dirname } from "node:path";
import { type Cancel, type Logger, type Timers } from "../protocol/index.ts";
import { signatureOf } from "./layer-files.node.ts";

/** `fs.watch` misses some kinds of change on some file systems; looking again and again is what is sure. */
const pollMs = 500;
/**
 * Events of files that are not ours after which a directory is only looked at. Where a journal or a log lies beside the
 * config, each of its writes would wake the event loop: a lone request's commit five times.
 */
const neighbourEventsMax = 256;
/** Many events come at once; the files are looked at once for all of them. */
const gatherMs = 15;

export interface FilesWatchOptions {
  readonly paths: readonly string[];
  /** `filesSignature` of the state that the caller knows. */
  readonly signature: string;
  readonly onChanged: () => void;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** One text for the state of several files; it differs when one of them was written, replaced or removed. */
export async function filesSignature(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(signatureOf))).join("\n");
}

/**
 * Tells that one of the files may have changed: written in place, replaced by a rename, or reached through another
 * symbolic link. The directories are watched, because a watched file is lost when an editor replaces it. Returns the
 * function that ends it.
 */
export function watchFiles(options: FilesWatchOptions): Cancel {
  const { paths, onChanged, timers } = options;
  let { signature } = options;
  let closed = false;
  let looking = false;
  let cancelGather: Cancel | null = null;
  let cancelPoll: Cancel = () => undefined;

  const look = async (): Promise<void> => {
    looking = true;
    const found = await filesSignature(paths);
    looking = false;
    if (closed || found === signature) return;
    signature = found;
    onChanged();
  };
  const lookSoon = (): void => {
    cancelGather ??= timers.after(gatherMs, () => {
      cancelGather = null;
      if (looking) lookSoon();
      else void look();
    });
  };
  const poll = (): void => {
    cancelPoll = timers.after(pollMs, () => {
      if (!looking) void look();
      poll();
    });
  };
  const watches = watchDirectories(options, lookSoon);
  poll();
  return () => {
    closed = true;
    cancelGather?.();
    cancelPoll();
    for (const each of watches) each.close();
  };
}

function watchDirectories({ paths, logger }: FilesWatchOptions, lookSoon: () => void): readonly FSWatcher[] {
  return [...new Set(paths.map((path) => dirname(path)))].flatMap((directory) => {
    const names = new Set(paths.filter((path) => dirname(path) === directory).map((path) => basename(path)));
    try {
      let neighbourEvents = 0;
      const watcher = watch(directory, (_, name) => {
        // Kubernetes swaps the link `..data`.
        if (name === null || names.has(name) || name.startsWith("..")) lookSoon();
        else if ((neighbourEvents += 1) > neighbourEventsMax) watcher.close();
      });
      watcher.on("error", (cause) => {
        watcher.close();
        logger.warn("config_watch_lost", { directory, cause, instead: `a look every ${pollMs} ms` });
      });
      return [watcher];
    } catch (cause) {
      // A layer that is not there yet (the hub's, before its first config) is looked for, and nothing is wrong.
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
      logger.warn("config_watch_unavailable", { directory, cause, instead: `a look every ${pollMs} ms` });
      return [];
    }
  });
}
