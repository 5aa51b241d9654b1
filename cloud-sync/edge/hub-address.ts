import { HoldpointError } from "../../protocol/index.ts";

/**
 * The hub's address as an operator gave it, as an origin. Plain HTTP is for this machine only, unless `insecure`: who
 * listens on the way would see every picture. Throws HP_USAGE.
 */
export function hubOrigin(text: string, insecure = false): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new HoldpointError("HP_USAGE", `"${text}" is not a url`, { hint: "--hub https://hub.example.com", cause });
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new HoldpointError("HP_USAGE", `the hub's url starts with ${url.protocol}, not with https:`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "" || url.pathname !== "/") {
    throw new HoldpointError(
      "HP_USAGE",
      "the hub's url has a path, a query or a password; it must be host and port only",
      {
        hint: "A hub has a host name of its own: its calls are signed with their path.",
      },
    );
  }
  if (url.protocol === "http:" && !insecure && !isLoopback(url.hostname)) {
    throw new HoldpointError("HP_USAGE", `${url.origin} is not encrypted`, {
      hint: "Use https://. --hub-insecure allows http:// where the network itself is trusted.",
    });
  }
  return url.origin;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
