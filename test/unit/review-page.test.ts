import { describe, expect, it } from "vitest";
import { keyEvent } from "../../cloud-sync/review/page/keyboard.ts";
import { reduce } from "../../cloud-sync/review/page/state-machine.ts";
import {
  firstPageState,
  type PageEffect,
  type PageEvent,
  type PageState,
  type PageStep,
} from "../../cloud-sync/review/page/state.ts";
import { type HeldCases, type QueueState, type ReviewCase } from "../../protocol/index.ts";

const t0 = 1_795_000_000_000;
const session = { reviewer: "Maja", store: "store_123", undoWindowMs: 5_000, leaseMs: 60_000, nowMs: t0 };
const queue: QueueState = {
  ...{ store: "store_123", waiting: 3, leased: 2, more: false, oldestHeldAtMs: t0, undoWindowMs: 5_000, tasks: [] },
};

function reviewCase(id: string, generation = 1, task = "product"): ReviewCase {
  return {
    ...{ id, task, store: "store_123", device: "cam-1", context: {}, inputKind: "image", facts: [], series: [] },
    pictureUrl: `/v1/review/cases/${id}/picture`,
    suggestions: [
      { label: "Kiwi", confidence: 0.6 },
      { label: "Lime", confidence: 0.2 },
    ],
    ...{ gateThreshold: 0.9, confidence: 0.6, reasons: ["below_gate"], question: "Which product?", explanation: null },
    ...{ audit: false, heldAtMs: t0 - 9_000, dueAtMs: t0 + 900_000 },
    lease: { reviewer: "Maja", generation, expiresAtMs: t0 + 60_000 },
  };
}

const held = (...cases: ReviewCase[]): HeldCases => ({ cases, queue, nowMs: t0 });

/** A page and its history: runs events at given times and keeps what it asked for. */
class Sitting {
  state: PageState = firstPageState(t0);
  effects: readonly PageEffect[] = [];
  nowMs = t0;
  #ids = 0;

  on(event: PageEvent, afterMs = 200): this {
    this.nowMs += afterMs;
    const step: PageStep = reduce(this.state, event, { nowMs: this.nowMs, reviewId: `r${(this.#ids += 1)}` });
    this.state = step.state;
    this.effects = step.effects;
    return this;
  }

  press(key: string, afterMs = 200): this {
    const event = keyEvent(this.state, { key, isCommand: false, isRepeat: false });
    if (!event) throw new Error(`${key} means nothing now`);
    return this.on(event, afterMs);
  }

  kinds(): readonly string[] {
    return this.effects.map(({ kind }) => kind);
  }
}

/** Paired, two cases at hand, the first picture shown. */
function reviewing(): Sitting {
  return new Sitting()
    .on({ kind: "started", code: null })
    .on({ kind: "sessionFound", session })
    .on({ kind: "claimed", held: held(reviewCase("a"), reviewCase("b")) })
    .on({ kind: "labelsLoaded", task: "product", labels: ["Kiwi", "Lime", "Lemon", "Banana", "Crème-Brûlée"] })
    .on({ kind: "pictureShown", id: "a" })
    .on({ kind: "pictureShown", id: "b" });
}

const taken = (page: Sitting, reviewId: string, id = "a"): PageEvent => ({
  kind: "submitTaken",
  taken: { id, reviewId, undoUntilMs: page.nowMs + 5_000, nowMs: page.nowMs },
});

function submitted(page: Sitting): Extract<PageEffect, { kind: "submit" }> {
  const found = page.effects.find((effect) => effect.kind === "submit");
  if (found?.kind !== "submit") throw new Error("nothing was submitted");
  return found;
}

describe("the review page", () => {
  it("asks for a PIN where there is no session, and sends the code of the QR code once", () => {
    const page = new Sitting().on({ kind: "started", code: "abc" }).on({ kind: "sessionMissing" });
    expect(page.state.screen).toBe("pairing");
    page.on({ kind: "pairPressed", pin: "12 34", name: "Maja" });
    expect(page.state.pairing.problem).toMatch(/six digits/);
    page.on({ kind: "pairPressed", pin: "123 456", name: " Maja " });
    expect(page.effects).toEqual([{ kind: "pair", pin: "123456", name: "Maja", code: "abc" }]);
    page.on({ kind: "pairRefused", problem: "no" }).on({ kind: "pairPressed", pin: "654321", name: "Maja" });
    expect(page.effects).toEqual([{ kind: "pair", pin: "654321", name: "Maja", code: null }]);
  });

  it("answers with a digit and shows the next case at once", () => {
    const page = reviewing().press("2");
    expect(submitted(page)).toMatchObject({
      id: "a",
      submit: { answer: { kind: "label", label: "Lime" }, generation: 1 },
    });
    expect(page.state.cases.map(({ id }) => id)).toEqual(["b"]);
    expect(page.state.shownAtMs).toBe(page.nowMs);
    page.on(taken(page, submitted(page).submit.reviewId));
    expect(page.kinds()).toEqual(["claim"]);
  });

  it("says how long the person looked", () => {
    const page = reviewing();
    const since = page.state.shownAtMs ?? 0;
    page.press("1", 3_000);
    expect(submitted(page).submit.tookMs).toBe(page.nowMs - since);
  });

  it("ignores a key that was meant for the case before, a digit without an answer, and a blind answer", () => {
    const page = reviewing().press("1").press("1", 100);
    expect(page.effects).toEqual([]);
    expect(page.state.cases.map(({ id }) => id)).toEqual(["b"]);
    page.press("9");
    expect(page.effects).toEqual([]);
    const blind = new Sitting()
      .on({ kind: "sessionFound", session })
      .on({ kind: "claimed", held: held(reviewCase("a")) })
      .press("1", 5_000);
    expect(blind.effects).toEqual([]);
    expect(blind.on({ kind: "pictureMissing", id: "a" }).press("1").kinds()).toEqual(["submit"]);
  });

  it("ignores a key that is held down", () => {
    expect(keyEvent(reviewing().state, { key: "1", isCommand: false, isRepeat: true })).toBeNull();
  });

  it("tells a command letter from the first letter of a word", () => {
    const command = reviewing().press("b");
    expect(command.kinds()).toEqual(["settleLetter"]);
    command.on({ kind: "letterSettled" });
    expect(submitted(command).submit.answer).toEqual({ kind: "bad_picture" });
    const word = reviewing().press("b").press("a", 80);
    expect(word.state.search).toMatchObject({ isOpen: true, query: "ba" });
    word.on({ kind: "letterSettled" }).on({ kind: "searchPicked" });
    expect(submitted(word).submit.answer).toEqual({ kind: "label", label: "Banana" });
  });

  it("finds a label by its words, and moves through what it found", () => {
    const page = reviewing().press("/").on({ kind: "searchTyped", query: "l" }).press("ArrowDown").press("Enter");
    expect(submitted(page).submit.answer).toEqual({ kind: "label", label: "Lemon" });
    const accents = reviewing().on({ kind: "searchOpened", query: "brule" }).press("Enter");
    expect(submitted(accents).submit.answer).toEqual({ kind: "label", label: "Crème-Brûlée" });
    const nothing = reviewing().on({ kind: "searchOpened", query: "xyz" }).press("Enter");
    expect(nothing.effects).toEqual([]);
    expect(nothing.press("Escape").state.search.isOpen).toBe(false);
  });

  it("undoes the last answer and shows its case again, with the others behind it", () => {
    const page = reviewing().press("1");
    const { reviewId } = submitted(page).submit;
    page
      .on(taken(page, reviewId))
      .on({ kind: "claimed", held: held(reviewCase("b"), reviewCase("c")) })
      .press("Backspace");
    expect(page.effects).toEqual([{ kind: "undo", id: "a", reviewId }]);
    page.on({ kind: "undone", id: "a", held: held(reviewCase("a", 2), reviewCase("b"), reviewCase("c")) });
    expect(page.state.cases.map(({ id }) => id)).toEqual(["a", "b", "c"]);
    expect(page.state.cases[0]?.lease?.generation).toBe(2);
    expect(page.state).toMatchObject({ toast: null, answered: 0, recent: [] });
  });

  it("undoes an answer that the server has not confirmed yet", () => {
    const page = reviewing().press("1");
    const { reviewId } = submitted(page).submit;
    page.press("Backspace");
    expect(page.effects).toEqual([]);
    page.on(taken(page, reviewId));
    expect(page.kinds()).toEqual(["undo"]);
  });

  it("offers no undo after its time", () => {
    const page = reviewing().press("1");
    page.on(taken(page, submitted(page).submit.reviewId)).on({ kind: "ticked" }, 5_000);
    expect(page.state.toast).toBeNull();
    expect(page.press("Backspace").effects).toEqual([]);
  });

  it("never shows a case again that was answered, even if an old list still names it", () => {
    const page = reviewing()
      .press("1")
      .on({ kind: "claimed", held: held(reviewCase("a"), reviewCase("b"), reviewCase("c")) });
    expect(page.state.cases.map(({ id }) => id)).toEqual(["b", "c"]);
  });

  it("never changes the case under the reviewer's eyes while it is theirs", () => {
    const page = reviewing().on({ kind: "claimed", held: held(reviewCase("c"), reviewCase("a"), reviewCase("b")) });
    expect(page.state.cases.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  });

  it("keeps answers while the connection is lost, and sends them first when it is back", () => {
    const page = reviewing().on({ kind: "connectionLost", isFault: false }).press("1").press("2");
    expect(page.kinds()).toEqual([]);
    expect(page.state.outbox).toHaveLength(2);
    expect(page.state.toast?.phase).toBe("waiting");
    page.on({ kind: "sessionFound", session });
    expect(page.kinds()).toEqual(["openStream", "submit", "submit"]);
  });

  it("keeps answers while the server fails as well, and says that it is not the connection", () => {
    const page = reviewing().on({ kind: "connectionLost", isFault: true }).press("1");
    expect(page.state).toMatchObject({
      connection: { isUp: false, isFault: true },
      outbox: [{ isSending: false }],
    });
    page.on({ kind: "sessionFound", session });
    expect(page.kinds()).toEqual(["openStream", "submit"]);
    expect(page.state.connection).toMatchObject({ isUp: true, isFault: false });
  });

  it("takes back an answer that never left", () => {
    const page = reviewing().on({ kind: "connectionLost", isFault: false }).press("1").press("Backspace");
    expect(page.state).toMatchObject({ outbox: [], answered: 0 });
    expect(page.state.cases.map(({ id }) => id)).toEqual(["a", "b"]);
  });

  it("waits longer after each failed try, once for calls that fail together", () => {
    const page = reviewing();
    const waits: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      page.on({ kind: "connectionLost", isFault: false }).on({ kind: "connectionLost", isFault: false }, 0);
      waits.push(page.state.connection.retryAtMs - page.nowMs);
      page.on({ kind: "ticked" }, waits[i] ?? 0);
      expect(page.kinds()).toEqual(["loadSession"]);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  });

  it("says clearly that a late answer did not count, and asks for the case again", () => {
    const page = reviewing().press("1");
    const { reviewId } = submitted(page).submit;
    page.on({ kind: "submitRefused", reviewId, code: "HP_LEASE_LOST", message: "late" });
    expect(page.state.notice).toMatchObject({
      tone: "warn",
      text: expect.stringMatching(/“Kiwi” did not count/) as string,
    });
    expect(page.state).toMatchObject({ answered: 0, recent: [], toast: null });
    expect(page.kinds()).toEqual(["claim"]);
  });

  it("takes a withdrawn case off the page and says why", () => {
    const page = reviewing().on({ kind: "news", news: { kind: "withdrawn", id: "a", why: "settled" } });
    expect(page.state.cases.map(({ id }) => id)).toEqual(["b"]);
    expect(page.state.notice?.text).toMatch(/settled elsewhere/);
  });

  it("follows an answer to the device", () => {
    const page = reviewing().press("1");
    const phase = (): string | undefined => page.state.recent[0]?.phase;
    expect(phase()).toBe("unsent");
    page.on(taken(page, submitted(page).submit.reviewId));
    expect(phase()).toBe("taken");
    page.on({ kind: "news", news: { kind: "final", id: "a", label: "Kiwi" } });
    expect(phase()).toBe("final");
    page.on({ kind: "news", news: { kind: "delivered", id: "a" } });
    expect(phase()).toBe("delivered");
  });

  it("keeps every lease alive, and looks for work while there is none", () => {
    const page = reviewing().on({ kind: "ticked" }, 21_000);
    expect(page.kinds()).toEqual(["heartbeat", "heartbeat"]);
    const idle = new Sitting()
      .on({ kind: "sessionFound", session })
      .on({ kind: "claimed", held: held() })
      .on({ kind: "ticked" }, 21_000);
    expect(idle.kinds()).toEqual(["claim"]);
    idle.on({ kind: "news", news: { kind: "queue", queue } });
    expect(idle.kinds()).toEqual(["claim"]);
  });

  it("forgets everything of the last reviewer on leaving", () => {
    const page = reviewing().press("1").on({ kind: "leavePressed" });
    expect(page.state).toMatchObject({
      screen: "pairing",
      cases: [],
      recent: [],
      outbox: [],
      answered: 0,
      session: null,
    });
    expect(page.kinds()).toEqual(["leave", "closeStream"]);
  });

  it("takes what was typed where a task has no list", () => {
    const page = new Sitting()
      .on({ kind: "sessionFound", session })
      .on({ kind: "claimed", held: held({ ...reviewCase("a", 1, "free"), pictureUrl: null }) })
      .on({ kind: "labelsLoaded", task: "free", labels: [] })
      .on({ kind: "searchOpened", query: "42 g" })
      .press("Enter");
    expect(submitted(page).submit.answer).toEqual({ kind: "label", label: "42 g" });
  });
});
