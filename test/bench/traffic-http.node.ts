import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { readCases, serveTraffic, type Lane } from "./traffic-loop.ts";

/** Load over HTTP/1.1 with keep-alive: bytes by hand, several times cheaper than an HTTP client. */
const { values } = parseArgs({
  options: {
    port: { type: "string", default: "" },
    path: { type: "string", default: "" },
    /** A secret for each client. */
    secrets: { type: "string", default: "[]" },
  },
});
const secrets = JSON.parse(values.secrets) as readonly string[];
const cases = readCases();
const bodies = cases.map(({ request }) => JSON.stringify(request).slice(1));

let sockets: readonly Socket[] = [];
await serveTraffic(cases, async (count) => {
  // Anew for every slice: servers close a connection that was idle while others were measured.
  for (const socket of sockets) socket.destroy();
  sockets = await Promise.all(Array.from({ length: count }, () => opened()));
  return sockets.map(laneOf);
});

function opened(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(values.port), host: "127.0.0.1", noDelay: true }, () => resolve(socket));
    socket.once("error", reject);
  });
}

function laneOf(socket: Socket, lane: number): Lane {
  const secret = secrets[lane];
  const head =
    `POST ${values.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
    (secret === undefined ? "" : `authorization: Bearer ${secret}\r\n`);
  let answered: (label: string | null) => void = () => undefined;
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
    const body = bodyOf(text);
    if (body === null) return;
    text = "";
    answered(labelOf(body));
  });
  socket.once("close", () => answered(null));
  return {
    ask: (id, caseIndex, then) => {
      answered = then;
      const body = `{"id":"${id}","at":${Date.now()},${bodies[caseIndex] ?? ""}`;
      socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`, "latin1");
    },
  };
}

/** The body of a whole answer; null while some of it is missing. One request in flight, so nothing follows it. */
function bodyOf(text: string): string | null {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1];
  if (length === undefined) throw new Error(`an answer without a length: ${text.slice(0, end)}`);
  if (text.length < end + 4 + Number(length)) return null;
  if (!text.startsWith("HTTP/1.1 200")) console.error(text);
  return text.slice(end + 4);
}

/** Ours says verdict and answer, the peers say automated and decision. */
function labelOf(body: string): string | null {
  const found = JSON.parse(body) as {
    readonly verdict?: string;
    readonly answer?: { readonly label?: string } | null;
    readonly automated?: boolean;
    readonly decision?: string;
  };
  if (found.verdict === "accept") return found.answer?.label ?? null;
  return found.automated === true ? (found.decision ?? null) : null;
}
