import type { ReviewRules } from "../review/review-rules.ts";

/** What each review rule is called, and what it means in a sentence. */
export const ruleTexts: Readonly<Record<keyof ReviewRules, { readonly name: string; readonly about: string }>> = {
  reviewersNeeded: { name: "Reviewers", about: "So many must give the same answer before it leaves, 1 to 5." },
  adjudication: {
    name: "Where they differ",
    about: "A lead sees the answers without names and decides; or the majority does, and a tie is “cannot tell”.",
  },
  goldShare: {
    name: "Gold",
    about:
      "Share of a reviewer's cases whose answer is known already, 0 to 0.5: they measure how well people answer, and never reach a device.",
  },
  secondOpinionShare: {
    name: "Second opinions",
    about:
      "Share of answered cases that somebody else sees as well, 0 to 1: without the first answer, and after it has left.",
  },
  skill: { name: "Skill", about: "Only people with this skill are asked. Blank: anybody." },
};
