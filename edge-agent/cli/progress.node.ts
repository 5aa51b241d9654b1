/** Progress of something that may take long, on stderr. */
export interface Progress {
  /** `share` of the work in [0, 1], or null where nobody knows how much there is; `note` says what was done. */
  readonly show: (share: number | null, note: string) => void;
  readonly clear: () => void;
}

const quietMs = 2000;
const everyMs = 100;
const barCells = 24;

/** On a terminal, a line that is written over once the work takes longer than two seconds; nothing anywhere else. */
export function progressLine(): Progress {
  const startedMs = performance.now();
  let shownMs = -Infinity;
  return {
    show: (share, note) => {
      const nowMs = performance.now();
      if (!process.stderr.isTTY || nowMs - startedMs < quietMs || nowMs - shownMs < everyMs) return;
      shownMs = nowMs;
      const text = share === null ? note : `${bar(share)} ${note}`;
      // Cut to the terminal: a line that wraps could not be written over.
      process.stderr.write(`\r\u001b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
    },
    clear: () => {
      if (shownMs > -Infinity) process.stderr.write("\r\u001b[K");
      shownMs = -Infinity;
    },
  };
}

function bar(share: number): string {
  const whole = Math.min(1, Math.max(0, share));
  const full = Math.floor(whole * barCells);
  return `[${"#".repeat(full)}${".".repeat(barCells - full)}] ${String(Math.floor(whole * 100)).padStart(3)} %`;
}
