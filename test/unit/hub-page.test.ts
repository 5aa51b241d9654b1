import { describe, expect, it, test } from "vitest";
import fc from "fast-check";
import { inStoryOrder } from "../../cloud-sync/hub/cases/case-story.ts";
import { boardOf } from "../../cloud-sync/hub/page/board.ts";
import { answerShown, eventText, sourceText } from "../../cloud-sync/hub/page/case-words.ts";
import { fieldProblemOf, typedNumber } from "../../cloud-sync/hub/page/field-problem.ts";
import {
  byEpoch,
  certificateLines,
  launchText,
  promiseText,
  rangeText,
  raiseText,
  standing,
  stateWords,
} from "../../cloud-sync/hub/page/gate-words.ts";
import { hubKey, type HubKey } from "../../cloud-sync/hub/page/frame/keys.ts";
import { diffLines } from "../../cloud-sync/hub/page/line-diff.ts";
import { addressOf, pageNames, placeOf } from "../../cloud-sync/hub/page/router.ts";
import { alignedSteps, byGroup, totalOf } from "../../cloud-sync/hub/page/steps.ts";
import { durationText } from "../../cloud-sync/hub/page/words.ts";
import { typedKey, withKey } from "../../cloud-sync/hub/page/yaml-key.ts";
import { pagePaths } from "../../cloud-sync/hub/page-assets.node.ts";

const place = (address: string) => {
  const url = new URL(address, "http://hub");
  return placeOf(url);
};

describe("the addresses of the hub's pages", () => {
  it("lead back to what they were made of", () => {
    expect(place(addressOf("stores", "store 1/ä"))).toMatchObject({ page: "stores", id: "store 1/ä" });
    expect(place(addressOf("cases", null, { store: "a&b", task: null, search: "" })).query.toString()).toBe(
      "store=a%26b",
    );
  });

  it("are nowhere where they are none", () => {
    for (const address of ["/nothing", "/people/1", "/stores/a/b", "/review/x", "/settings/a/b"])
      expect(place(address).page).toBe("nowhere");
    expect(place("/").page).toBe("home");
  });

  it("are all served by the hub", () => {
    for (const page of pageNames) expect(pagePaths).toContain(`/${page}`);
    const known = pagePaths
      .filter((path) => path !== "/invitation")
      .map((path) => place(path.replace(":id", "x")).page);
    expect(known).not.toContain("nowhere");
  });
});

describe("the keys of the hub's pages", () => {
  const pages = [{ page: "stores", key: "s" }] as const;
  const key = (more: Partial<HubKey>) =>
    hubKey({ key: "g", isCommand: false, isTyping: false, isReview: false, isPrefixed: false, ...more }, pages);

  it("go to a page by g and its letter", () => {
    expect(key({})).toEqual({ kind: "prefix" });
    expect(key({ key: "s", isPrefixed: true })).toEqual({ kind: "go", address: "/stores" });
    expect(key({ key: "x", isPrefixed: true })).toBeNull();
  });

  it("are the field's where somebody types, and the review screen's there", () => {
    for (const pressed of ["g", "j", "k", "/", "?"]) {
      expect(key({ key: pressed, isTyping: true })).toBeNull();
      expect(key({ key: pressed, isReview: true })).toBeNull();
    }
    expect(key({ key: "k", isCommand: true, isTyping: true })).toEqual({ kind: "goTo" });
  });
});

describe("what the hub refuses", () => {
  const refused = (message: string, code: "HP_SCHEMA" | "HP_FORBIDDEN" = "HP_SCHEMA") => ({
    ...{ ok: false as const, code, message, hint: "", retryAfterMs: null },
  });
  const fields = ["goldShare", "stores"] as const;

  it("is said at the field that it names, of a list as well", () => {
    expect(fieldProblemOf(refused("goldShare: must be: small"), fields)).toEqual({
      ...{ field: "goldShare", text: "Must be: small." },
    });
    expect(fieldProblemOf(refused("stores.3: must be a name"), fields)).toEqual({
      ...{ field: "stores", text: "Must be a name." },
    });
  });

  it("is no field's where it names none of them", () => {
    for (const answered of [
      refused("the message: is odd"),
      refused("skill: must be a name"),
      refused("goldShare: must be small", "HP_FORBIDDEN"),
      { ok: true as const, value: 1 },
      null,
    ]) {
      expect(fieldProblemOf(answered, fields)).toBeNull();
    }
  });

  it("can be what was typed in place of a number", () => {
    expect(["0.5", " 2 ", "", "two", "1e999"].map(typedNumber)).toEqual([0.5, 2, "", "two", "1e999"]);
  });
});

describe("setting a key in a layer's text", () => {
  it("writes into nothing, beside others, and over what is there", () => {
    const made = withKey("", ["tasks", "cart", "review_within"], "15m");
    expect(made).toBe("tasks:\n  cart:\n    review_within: 15m\n");
    const beside = withKey(made ?? "", ["tasks", "cart", "decide_within"], "2s");
    expect(beside).toBe("tasks:\n  cart:\n    review_within: 15m\n    decide_within: 2s\n");
    expect(withKey(beside ?? "", ["tasks", "cart", "review_within"], "5m")).toBe(
      "tasks:\n  cart:\n    review_within: 5m\n    decide_within: 2s\n",
    );
  });

  it("keeps comments and what follows", () => {
    const text =
      "# ours\nthresholds:\n    cart: 0.9 # high\n\ntasks:\n    cart:\n        fallback:\n        - safe_action\n";
    expect(withKey(text, ["thresholds", "shelf"], "0.8")).toBe(text.replace("# high\n", "# high\n    shelf: 0.8\n"));
    expect(withKey(text, ["tasks", "cart", "fallback"], "[safe_action]")).toBe(
      text.replace("fallback:\n        - safe_action\n", "fallback: [safe_action]\n"),
    );
  });

  it("leaves what it cannot read to the text", () => {
    expect(withKey("tasks: { cart: { review_within: 1m } }\n", ["tasks", "cart", "review_within"], "2m")).toBeNull();
    expect(withKey("tasks:\n\tcart: 1\n", ["tasks", "x"], "2")).toBeNull();
  });

  it("knows a key by what is in the list and by the names that somebody wrote into it", () => {
    const keys = [
      "thresholds.<task>",
      "thresholds.<task>.max_error",
      "tasks.<task>.labels",
      "retention.input_keep",
    ].map((key) => ({ key }));
    const found = (typed: string) => {
      const one = typedKey(keys, typed);
      return one && [one.key.key, one.places];
    };
    expect(found("thresholds.<task>")).toEqual(["thresholds.<task>", {}]);
    expect(found("thresholds.cart.max_error")).toEqual(["thresholds.<task>.max_error", { "<task>": "cart" }]);
    expect(found("retention.input_keep")).toEqual(["retention.input_keep", {}]);
    for (const none of ["", "thresholds", "thresholds.", "thresholds.<taks>", "tasks.cart.lables"]) {
      expect(found(none)).toBeNull();
    }
  });

  it("quotes names that YAML would read otherwise", () => {
    expect(withKey("", ["tasks", "no"], "1")).toBe('tasks:\n  "no": 1\n');
  });
});

describe("the difference of two texts", () => {
  it("has both texts in it", () => {
    const text = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 6 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = diffLines(before, after);
        const of = (kind: string) => lines.filter((line) => line.kind === kind || line.kind === "same");
        if (lines.some(({ kind }) => kind === "skipped")) return;
        expect(
          of("removed")
            .map((line) => line.text)
            .join("\n"),
        ).toBe(before);
        expect(
          of("added")
            .map((line) => line.text)
            .join("\n"),
        ).toBe(after);
      }),
    );
  });

  it("folds what is the same", () => {
    const same = Array.from({ length: 20 }, (_, n) => `line ${n}`);
    const lines = diffLines([...same, "x"].join("\n"), [...same, "y"].join("\n"));
    expect(lines.map(({ kind }) => kind)).toEqual(["skipped", "same", "same", "same", "removed", "added"]);
    expect(lines[0]?.text).toBe("17");
  });
});

describe("a case's story", () => {
  it("tells what a person did before what followed of it, where both have the same millisecond", () => {
    const line = (at_ms: number, kind: string) => ({ at_ms, kind });
    const told = [line(9, "asked"), line(1, "opened"), line(9, "sent"), line(9, "answered"), line(5, "leased")];
    expect(inStoryOrder(told).map(({ kind }) => kind)).toEqual(["opened", "leased", "answered", "sent", "asked"]);
  });

  it("names who says what the truth is", () => {
    expect([sourceText("adjudication"), sourceText("review"), sourceText(null)]).toEqual([
      "a lead",
      "one reviewer",
      "",
    ]);
  });
});

describe("the queue board", () => {
  const slot = (more: object) => ({
    ...{ id: "1", caseId: "1", store: "s", task: "t", role: "first", skill: null, reviewer: null, heldMs: 1_000 },
    ...{ state: "waiting", dueMs: null, ...more },
  });

  it("adds up what waits by store and task, the most pressing first", () => {
    const slots = [
      slot({ task: "calm", dueMs: 900_000 }),
      slot({ dueMs: 90_000 }),
      slot({ state: "leased", heldMs: 500, dueMs: 60_000 }),
      slot({ state: "answered", dueMs: 10_000 }),
    ] as Parameters<typeof boardOf>[0];
    expect(boardOf(slots, 5_000)).toEqual([
      { store: "s", task: "t", waiting: 1, leased: 1, answered: 1, oldestMs: 500, pressing: 2, nextDueMs: 60_000 },
      {
        store: "s",
        task: "calm",
        waiting: 1,
        leased: 0,
        answered: 0,
        oldestMs: 1_000,
        pressing: 0,
        nextDueMs: 900_000,
      },
    ]);
  });
});

describe("evidence over time", () => {
  it("has a gap before each epoch, between times that rise", () => {
    const at = (atMs: number, epoch: number) => ({ atMs, epoch });
    const { atMs, values } = byEpoch([at(10, 1), at(20, 1), at(30, 2), at(40, 2)], (one) => one.atMs);
    expect(atMs).toEqual([10, 20, 25, 30, 40]);
    expect(values).toEqual([10, 20, null, 30, 40]);
  });
});

describe("decisions over time", () => {
  const hourMs = 3_600_000;
  const step = (at: number, accepted: number, escalated: number, group: string | null = null) => ({
    ...{ atMs: at * hourMs, group, accepted, escalated, abstained: 0 },
  });

  it("have a point for every step, and no coverage where nothing was decided", () => {
    const query = { from: 10 * hourMs + 5, to: 13 * hourMs, step: "hour", by: "all" } as const;
    const { atMs, counts, coverage } = alignedSteps([step(11, 3, 1)], query);
    expect(atMs).toEqual([10, 11, 12].map((at) => at * hourMs));
    expect(counts[0]?.values).toEqual([0, 3, 0]);
    expect(coverage[0]?.values).toEqual([null, 0.75, null]);
  });

  it("add up by group, the largest first", () => {
    const groups = byGroup([step(1, 1, 1, "a"), step(1, 5, 0, "b"), step(2, 1, 1, "a")]);
    expect(groups.map(({ group, all, coverage }) => [group, all, coverage])).toEqual([
      ["b", 5, 1],
      ["a", 4, 0.5],
    ]);
    expect(totalOf([])).toMatchObject({ all: 0, coverage: 0 });
  });
});

describe("the words of a case's story", () => {
  it("say what is known, and name what is not", () => {
    const answer = { kind: "label", label: "Pink-Lady" };
    expect(eventText({ kind: "answered", atMs: 0, body: { reviewer: "Maja", answer } })).toBe(
      "Maja answered “Pink Lady”",
    );
    expect(eventText({ kind: "something_new", atMs: 0, body: {} })).toBe("Something new");
    expect(answerShown({ kind: "bad_picture" })).toBe("Bad picture");
    expect(answerShown({ odd: 1 })).toBe('{"odd":1}');
  });

  it("write durations in two units", () => {
    expect([-5, 8_000, 720_000, 5_400_000, 97_200_000].map(durationText)).toEqual([
      ...["0 s", "8 s", "12 min", "1 h 30 min", "1 d 3 h"],
    ]);
  });
});

test("a gate that the hub does not keep is said to be so, whatever its certificate was", () => {
  const contract = { maxError: 0.01, delta: 0.05 };
  const state = { kind: "certified", gateThreshold: 0.9, raised: null };
  const certified = { state, contract, overdueSinceMs: null };
  expect(stateWords(certified)).toMatchObject({ text: "certified", tone: "good" });
  expect(stateWords({ ...certified, overdueSinceMs: 5 })).toMatchObject({ text: "not kept", tone: "bad" });
  expect(stateWords({ ...certified, contract: null }).text).toBe("a guessed number");
});

describe("what a gate's page says", () => {
  const issued = (id: string, renewal: number, model = "sha256:a") => ({
    ...{ id, renewal, model, calibration: "none", basis: "launch", method: "fallback_auto", epoch: 1 },
    ...{ gateThreshold: 0.7, labels: 100, accepted: 60, errors: 0, coverage: 0.6, upperBound: 0.04 },
    ...{ issuedAtMs: renewal, ended: null },
  });
  const state = {
    kind: "certified",
    model: "sha256:a",
    calibration: "none",
    epoch: 1,
    labels: 100,
    labelsMissing: null,
  };
  const held = { ...state, residual: null, gateThreshold: 0.7, raised: null, issuedMs: 1, lapseMs: 2 };
  const curve = [
    { gateThreshold: 0.9, coverage: 0.2, risk: 0, lower: 0, upper: 0.1, labels: 20, errors: 0 },
    { gateThreshold: 0.7, coverage: 0.6, risk: 0.05, lower: 0, upper: 0.1, labels: 60, errors: 3 },
  ];
  const figures = { labels: 100, method: "clopper_pearson", curve, reliability: [], calibrationError: null };

  it("counts renewals of one certificate as one line, the newest first", () => {
    const lines = certificateLines([issued("b", 2), issued("b", 1), issued("a", 1)]);
    expect(lines.map(({ first, last }) => [last.id, first.renewal, last.renewal])).toEqual([
      ["b", 1, 2],
      ["a", 1, 1],
    ]);
  });

  it("is of the model whose labels came last, not of an older one's certificate", () => {
    const certificates = [issued("old", 1, "sha256:b"), issued("own", 1)];
    expect(standing({ state: held, certificates })?.id).toBe("own");
    expect(standing({ state: held, certificates: certificates.slice(0, 1) })).toBeNull();
    expect(standing({ state: null, certificates })).toBeNull();
  });

  it("says how far the launch is, and about when it comes", () => {
    const missing = { ...held, kind: "collecting", gateThreshold: null, labelsMissing: 240 };
    expect(launchText({ state: held, labelsPerDay: null })).toBe("");
    expect(launchText({ state: missing, labelsPerDay: null })).toBe(" 240 labels more until the launch is tried.");
    expect(launchText({ state: missing, labelsPerDay: 96 })).toBe(
      " 240 labels more until the launch is tried, in about 2 d 12 h at 96 a day.",
    );
  });

  it("says that a person's word holds the gate, and not that agents accept under what is proved", () => {
    const contract = { maxError: 0.01, delta: 0.05 };
    const textOf = (gateThreshold: number | null, raised: number | "people" | null) =>
      stateWords({ state: { kind: "certified", gateThreshold, raised }, contract, overdueSinceMs: null }).text;
    expect([textOf(0.9, null), textOf(0.95, 0.95), textOf(null, "people")]).toEqual([
      ...["certified", "raised by hand", "stopped by hand"],
    ]);
    // A raise below what is proved does nothing.
    expect(textOf(0.9, 0.5)).toBe("certified");
  });

  it("does not call a gate threshold above the proved one a broken promise for want of labels", () => {
    const [careful, proved] = curve;
    if (!careful || !proved) throw new Error("the curve has two points");
    expect(promiseText(careful, 0.2, 0.7)).toBe("These labels would keep the promise.");
    expect(promiseText(careful, 0.05, 0.7)).toContain("too few labels reach this one");
    expect(promiseText(proved, 0.05, 0.7)).toBe("These labels do not show that the promise would hold.");
    expect(promiseText(careful, 0.05, null)).toBe("These labels do not show that the promise would hold.");
    expect(promiseText(null, 0.05, 0.7)).toBe("");
    expect(rangeText(0.357, 0.827)).toBe("35.7 – 82.7\u00a0%");
  });

  it("says before a raise what it would do to people's work", () => {
    expect(raiseText({ state: held, figures, rung: "fine" }, 0.9)).toBe(
      "By 100 labels: 400 → 800 reviews per 1,000 decisions, and 30.0 → 0.0 wrong accepts.",
    );
    expect(raiseText({ state: held, figures, rung: "fine" }, null)).toContain("400 → 1000 reviews");
    expect(raiseText({ state: held, figures, rung: "coarse" }, null)).toContain("that the fine gate leaves");
    const collecting = { ...held, gateThreshold: null };
    expect(raiseText({ state: collecting, figures, rung: "fine" }, 0.9)).toContain("nothing below 0.9 will be");
    expect(raiseText({ state: held, figures: { ...figures, curve: [] }, rung: "fine" }, 0.9)).toContain("no label");
  });
});
