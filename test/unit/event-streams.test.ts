import { describe, expect, test } from "vitest";
import { createEventStreams, eventText, type StreamLimits } from "../../cloud-sync/review/event-streams.ts";
import { fakeClock } from "../../testing/index.ts";

const limits: StreamLimits = {
  ...{ streamsMax: 2, streamsPerOwnerMax: 2, eventsWaitingMax: 3, streamMsMax: null },
  tooMany: "too many pages",
};

function openPlace(own: Partial<StreamLimits> = {}) {
  const clock = fakeClock();
  const streams = createEventStreams(clock, { ...limits, ...own });
  const heard = new Map<string, (event: string) => void>();
  const open = (owner: string, gone = new AbortController().signal): Response =>
    streams.open({
      ...{ owner, gone, first: eventText("hello", { owner }) },
      listen: (send) => {
        heard.set(owner, send);
        return () => heard.delete(owner);
      },
    });
  return { clock, streams, heard, open };
}

describe("a stream of events", () => {
  test("begins with its first event, brings what is sent, and is forgotten when its page goes", async () => {
    const { heard, open, streams } = openPlace();
    const gone = new AbortController();
    const { body } = open("ana", gone.signal);
    heard.get("ana")?.(eventText("news", 1));
    gone.abort();
    expect(heard.size).toBe(0);
    expect(await new Response(body).text()).toBe(
      'retry: 1000\nevent: hello\ndata: {"owner":"ana"}\n\nevent: news\ndata: 1\n\n',
    );
    streams.closeAll();
  });

  test("of a page that has gone before it is open takes no place, and nobody listens for it", async () => {
    const { heard, open } = openPlace({ streamsMax: 1 });
    const { body } = open("ana", AbortSignal.abort());
    expect(heard.size).toBe(0);
    expect(() => open("ben")).not.toThrow();
    expect(await new Response(body).text()).toContain("hello");
  });

  test("is refused above the number of streams, and the oldest of one owner ends for a new one", () => {
    const { heard, open } = openPlace({ streamsPerOwnerMax: 1 });
    open("ana");
    const send = heard.get("ana");
    open("ana");
    expect(heard.get("ana")).not.toBe(send);
    open("ben");
    expect(() => open("eve")).toThrow(expect.objectContaining({ code: "HP_BUSY", message: "too many pages" }) as Error);
  });

  test("ends where its page takes nothing, and after its time where it has one", async () => {
    const { clock, heard, open } = openPlace({ streamMsMax: 60_000 });
    open("slow");
    for (let event = 0; event < 3; event += 1) heard.get("slow")?.(eventText("news", event));
    expect(heard.has("slow")).toBe(false);
    const { body } = open("ana");
    const text = new Response(body).text();
    clock.advance(59_999);
    expect(heard.has("ana")).toBe(true);
    clock.advance(1);
    expect(heard.has("ana")).toBe(false);
    expect((await text).match(/: alive/g)).toHaveLength(3);
  });
});
