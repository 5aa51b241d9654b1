import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  consensus,
  firstConsensus,
  isOpen,
  type ConsensusEffect,
  type ConsensusEvent,
  type ConsensusInputs,
  type ConsensusState,
  type Vote,
} from "../../cloud-sync/hub/review/consensus-machine.ts";
import { type ReviewAnswer } from "../../protocol/index.ts";

const label = (name: string): ReviewAnswer => ({ kind: "label", label: name });
const vote = (person: string, answer: ReviewAnswer): Vote => ({
  review: `r-${person}`,
  person,
  reviewer: person,
  answer,
});
const inputs = (more: Partial<ConsensusInputs> = {}): ConsensusInputs => ({
  ...{ reviewersNeeded: 2, adjudication: true, secondOpinion: false, kind: "escalation", modelLabel: null },
  isUnderContract: false,
  ...more,
});

/** Runs events from the start; returns where it ends and everything that it asked for. */
function run(events: readonly ConsensusEvent[], rules: ConsensusInputs) {
  let state: ConsensusState = firstConsensus(rules);
  const effects: ConsensusEffect[] = [];
  for (const event of events) {
    const step = consensus(state, event, rules);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects, asked: effects.filter(({ kind }) => kind === "ask") };
}
const answered = (...answers: readonly ReviewAnswer[]): ConsensusEvent[] =>
  answers.map((answer, n) => ({ kind: "answered", vote: vote(`p${n}`, answer) }));

const states: Readonly<Record<string, ConsensusState>> = {
  gathering: { kind: "gathering", votes: [], asked: 2, isSent: false },
  "gathering, sent": { kind: "gathering", votes: [vote("a", label("K"))], asked: 2, isSent: true },
  adjudicating: { kind: "adjudicating", votes: [], isSent: false, why: "disagreement" },
  "adjudicating, sent": { kind: "adjudicating", votes: [], isSent: true, why: "disagreement" },
  decided: { kind: "decided", votes: [], answer: label("K") },
  closed: { kind: "closed", votes: [], why: "expired" },
};
const events: Readonly<Record<string, ConsensusEvent>> = {
  answered: { kind: "answered", vote: vote("z", label("K")) },
  adjudicated: { kind: "adjudicated", vote: vote("z", label("K")) },
  escalated: { kind: "escalated" },
  settled: { kind: "settled", label: null },
  expired: { kind: "expired" },
};

/** `event` in `state` ends in; a dash is "nothing happens". */
const table: Readonly<Record<keyof typeof states, Readonly<Record<string, string>>>> = {
  gathering: {
    ...{ answered: "gathering", adjudicated: "-", escalated: "adjudicating", settled: "closed", expired: "closed" },
  },
  "gathering, sent": {
    ...{ answered: "decided", adjudicated: "-", escalated: "adjudicating", settled: "-", expired: "-" },
  },
  adjudicating: { answered: "-", adjudicated: "decided", escalated: "-", settled: "closed", expired: "closed" },
  "adjudicating, sent": { answered: "-", adjudicated: "decided", escalated: "-", settled: "-", expired: "-" },
  decided: { answered: "-", adjudicated: "-", escalated: "-", settled: "-", expired: "-" },
  closed: { answered: "-", adjudicated: "-", escalated: "-", settled: "-", expired: "-" },
};

describe("the consensus machine", () => {
  for (const [from, state] of Object.entries(states)) {
    for (const [name, event] of Object.entries(events)) {
      it(`${name} while ${from}: ${table[from]?.[name] ?? "missing"}`, () => {
        const step = consensus(state, event, inputs());
        const moved = step.state === state && step.effects.length === 0 ? "-" : step.state.kind;
        expect(moved).toBe(table[from]?.[name]);
      });
    }
  }

  it("without adjudication a strict majority decides, and a tie is 'cannot tell'", () => {
    const rules = inputs({ reviewersNeeded: 3, adjudication: false });
    expect(run(answered(label("A"), label("B"), label("A")), rules).state).toMatchObject({ answer: label("A") });
    expect(run(answered(label("A"), label("B"), label("C")), rules).state).toMatchObject({
      answer: { kind: "cannot_tell" },
    });
  });

  it("where nobody could tell, that is the answer; bad picture only if all said so", () => {
    const [cannot, bad]: ReviewAnswer[] = [{ kind: "cannot_tell" }, { kind: "bad_picture" }];
    if (!cannot || !bad) throw new Error("no answers");
    expect(run(answered(cannot), inputs({ reviewersNeeded: 1 })).state).toMatchObject({ answer: cannot });
    expect(run(answered(bad, bad, bad), inputs()).state).toMatchObject({ answer: bad });
    expect(run(answered(bad, cannot, bad), inputs()).state).toMatchObject({ answer: cannot });
  });

  it("who contradicts the model's answer to an audit sample is not believed without a lead", () => {
    const rules = inputs({ kind: "audit", reviewersNeeded: 1, modelLabel: "A" });
    expect(run(answered(label("A")), rules).state.kind).toBe("decided");
    expect(run(answered(label("B")), rules)).toMatchObject({
      state: { kind: "adjudicating", why: "model" },
      asked: [{ role: "adjudication" }],
    });
  });

  it("under a contract one word against the model leaves, and is no label before a lead has spoken", () => {
    const rules = inputs({ reviewersNeeded: 1, modelLabel: "A", isUnderContract: true, adjudication: false });
    const contradicted = run(answered(label("B")), rules);
    expect(contradicted).toMatchObject({ state: { kind: "adjudicating", why: "model", isSent: true } });
    expect(contradicted.effects.map(({ kind }) => kind)).toEqual(["decide", "withdraw", "ask"]);
    const heard = run([...answered(label("B")), { kind: "adjudicated", vote: vote("l", label("A")) }], rules);
    expect(heard.state.kind).toBe("decided");
    expect(heard.effects.filter(({ kind }) => kind === "confirm")).toEqual([
      { kind: "confirm", label: "A", source: "adjudication" },
    ]);
    expect(heard.effects.filter(({ kind }) => kind === "decide")).toHaveLength(1);
    // Whoever agrees with the model, and two who agree against it, need no lead.
    expect(run(answered(label("A")), rules).state.kind).toBe("decided");
    const two = { ...rules, reviewersNeeded: 2 };
    expect(run(answered(label("B"), label("B")), two).effects).toContainEqual({
      ...{ kind: "confirm", label: "B", source: "consensus" },
    });
    expect(run(answered(label("B")), { ...rules, kind: "import" as const }).state.kind).toBe("decided");
  });

  it("under a contract a blind second opinion may confirm who contradicted the model, and a lead hears them if not", () => {
    const rules = inputs({ reviewersNeeded: 1, modelLabel: "A", isUnderContract: true, secondOpinion: true });
    const first = run(answered(label("B")), rules);
    expect(first.asked).toMatchObject([{ role: "second", isBlind: true }]);
    expect(first.effects.filter(({ kind }) => kind === "confirm")).toEqual([]);
    expect(run(answered(label("B"), label("B")), rules).effects).toContainEqual({
      ...{ kind: "confirm", label: "B", source: "consensus" },
    });
    expect(run(answered(label("B"), label("A")), rules).state).toMatchObject({ kind: "adjudicating", isSent: true });
  });

  it("under a contract a person in the store who contradicts the model is heard by a lead, whose word is a label", () => {
    const rules = inputs({ reviewersNeeded: 1, modelLabel: "A", isUnderContract: true });
    const settled = run([{ kind: "settled", label: "B" }], rules);
    expect(settled).toMatchObject({ state: { kind: "adjudicating", isSent: true }, asked: [{ role: "adjudication" }] });
    expect(run([{ kind: "settled", label: "A" }], rules).state.kind).toBe("closed");
    const heard = run(
      [
        { kind: "settled", label: "B" },
        { kind: "adjudicated", vote: vote("l", label("B")) },
      ],
      rules,
    );
    expect(heard.effects.map(({ kind }) => kind)).toEqual(["withdraw", "ask", "confirm", "withdraw"]);
  });

  const answer = fc.oneof(
    fc.constantFrom("A", "B", "C").map(label),
    fc.constantFrom<ReviewAnswer>({ kind: "cannot_tell" }, { kind: "bad_picture" }),
  );
  const anyEvent = fc.oneof(
    { weight: 6, arbitrary: answer.map((given): ConsensusEvent => ({ kind: "answered", vote: vote("x", given) })) },
    { weight: 1, arbitrary: answer.map((given): ConsensusEvent => ({ kind: "adjudicated", vote: vote("l", given) })) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<ConsensusEvent>(
        { kind: "escalated" },
        { kind: "settled", label: null },
        { kind: "expired" },
      ),
    },
  );
  const anyInputs = fc.record({
    reviewersNeeded: fc.integer({ min: 1, max: 5 }),
    adjudication: fc.boolean(),
    secondOpinion: fc.boolean(),
    kind: fc.constantFrom<ConsensusInputs["kind"]>("escalation", "audit", "import"),
    modelLabel: fc.constantFrom("A", null),
    isUnderContract: fc.boolean(),
  });

  it("an answer leaves at most once, and nothing leaves a case that was closed", () => {
    fc.assert(
      fc.property(anyInputs, fc.array(anyEvent, { maxLength: 14 }), (rules, some) => {
        const { state, effects } = run(some, rules);
        const sent = effects.filter(({ kind }) => kind === "decide").length;
        expect(sent).toBeLessThanOrEqual(1);
        if (state.kind === "closed") expect(sent).toBe(0);
        if (state.kind === "decided") expect(sent).toBe(1);
      }),
    );
  });

  it("a label leaves only with as many agreeing votes as are needed, a lead's word, or a strict majority of them", () => {
    fc.assert(
      fc.property(anyInputs, fc.array(anyEvent, { maxLength: 14 }), (rules, some) => {
        for (const effect of run(some, rules).effects) {
          if (effect.kind !== "decide" || effect.answer.kind !== "label") continue;
          const byLead = effect.votes.some(({ person }) => person === "l");
          const enough =
            rules.adjudication || rules.isUnderContract
              ? rules.reviewersNeeded
              : Math.floor(rules.reviewersNeeded / 2) + 1;
          expect(byLead || effect.votes.length >= enough).toBe(true);
        }
      }),
    );
  });

  it("a case ends: nobody waits for more people than needed, one in their place, one second opinion and one lead", () => {
    fc.assert(
      fc.property(anyInputs, fc.array(answer, { minLength: 12, maxLength: 12 }), (rules, given) => {
        let state: ConsensusState = firstConsensus(rules);
        let outstanding = rules.reviewersNeeded;
        let people = 0;
        for (const one of given) {
          if (!isOpen(state)) break;
          people += 1;
          const kind = state.kind === "adjudicating" ? "adjudicated" : "answered";
          const step = consensus(state, { kind, vote: vote(`p${people}`, one) }, rules);
          state = step.state;
          const asked = step.effects.filter((effect) => effect.kind === "ask").length;
          const isWithdrawn = step.effects.some((effect) => effect.kind === "withdraw");
          outstanding = (isWithdrawn ? 0 : outstanding - 1) + asked;
          // Whoever is open has somebody to wait for.
          expect(isOpen(state)).toBe(outstanding > 0);
        }
        expect(isOpen(state)).toBe(false);
        expect(people).toBeLessThanOrEqual(rules.reviewersNeeded + 3);
      }),
    );
  });
});
