import { expect, test } from "vitest";
import { permissionsOf, type PersonCaller } from "../../cloud-sync/hub/api/caller.ts";
import { eventsFor, gather, gatheredMax, nothingYet, type LiveNews } from "../../cloud-sync/hub/live/live-news.ts";

const caller = (more: Partial<PersonCaller> = {}): PersonCaller => ({
  ...{ kind: "person", id: "p", name: "P", roles: ["operator"], permissions: new Set(permissionsOf.operator) },
  ...{ stores: null, tasks: null, skills: [], sessionId: "s" },
  ...more,
});
const news: LiveNews = {
  stores: ["one", "two"],
  cases: [
    { id: "a", store: "one", task: "shelf" },
    { id: "b", store: "two", task: "shelf" },
    { id: "c", store: "one", task: "cart" },
  ],
  tasks: ["shelf", "cart"],
  gates: ["shelf", "cart"],
  config: true,
  everything: false,
};

test("what happens often in a while is told once", () => {
  const twice = [1, 2, 3].reduce((before) => gather(before, { kind: "agent", agentId: "a" }), nothingYet);
  expect([...twice.agentIds]).toEqual(["a"]);
  expect(gather(nothingYet, { kind: "feed", agentId: "a" })).toBe(nothingYet);
});

test("more than can be listed is everything, and nothing is listed any more", () => {
  const ids = Array.from({ length: gatheredMax + 1 }, (_, index) => String(index));
  const all = ids.reduce((before, caseId) => gather(before, { kind: "case", caseId }), nothingYet);
  expect(all).toMatchObject({ everything: true, caseIds: new Set() });
  expect(eventsFor(caller(), { ...news, everything: true })).toEqual([{ event: "resync", data: {} }]);
});

test("a caller hears of its own stores and tasks only", () => {
  expect(eventsFor(caller({ stores: ["one"], tasks: ["shelf"] }), news)).toEqual([
    { event: "agents", data: { stores: ["one"] } },
    { event: "queues", data: { tasks: ["shelf"] } },
    { event: "gates", data: { tasks: ["shelf"] } },
    { event: "cases", data: { ids: ["a"] } },
    { event: "config", data: {} },
  ]);
  expect(eventsFor(caller({ stores: [], tasks: [], permissions: new Set(["fleet.read"]) }), news)).toEqual([]);
});
