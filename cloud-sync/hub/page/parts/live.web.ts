import { useEffect, useRef } from "preact/hooks";

/** Asks again when the hub says that something changed (`GET /v1/live`); the browser opens the stream again by itself. */
export function useLive(event: "gates" | "config", onNews: () => void): void {
  const latest = useRef(onNews);
  latest.current = onNews;
  useEffect(() => {
    const stream = new EventSource("/v1/live");
    const hear = (): void => latest.current();
    stream.addEventListener(event, hear);
    stream.addEventListener("resync", hear);
    return () => stream.close();
  }, [event]);
}
