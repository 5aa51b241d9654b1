import { type Exchange } from "../../protocol/index.ts";

/** A call with these headers, for what looks at headers alone. */
export function testExchange(headers: Readonly<Record<string, string>>, remote = "192.0.2.1"): Exchange {
  return {
    request: new Request("http://localhost/"),
    params: {},
    query: new URLSearchParams(),
    gone: new AbortController().signal,
    header: (name) => headers[name] ?? null,
    connection: {},
    remote,
    body: () => Promise.resolve(new Uint8Array(0)),
  };
}
