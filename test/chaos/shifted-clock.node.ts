/**
 * Loaded before the agent (`node --import`): the wall clock of its process, threads included, is off by as many
 * milliseconds as the file that CHAOS_CLOCK names says, and follows the file while it runs.
 */
import { readFileSync } from "node:fs";

const file = process.env["CHAOS_CLOCK"] ?? "";
const wallMs = Date.now;
let offsetMs = 0;
const look = (): void => {
  offsetMs = Number(readFileSync(file, "latin1")) || 0;
};
look();
setInterval(look, 20).unref();
Date.now = () => wallMs() + offsetMs;
