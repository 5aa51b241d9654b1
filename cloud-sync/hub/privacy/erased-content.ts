/** What stays of a case whose content is erased. Pure, over the JSON of its columns. */

type Plain = Readonly<Record<string, unknown>>;

/** Of what reviewers saw, everything that describes a shopper or a scene goes: context, facts, series, explanation. */
export function erasedView(text: string): string {
  const view = JSON.parse(text) as Plain;
  return JSON.stringify({ ...view, context: {}, facts: [], series: [], explanation: null });
}

/** Verdict, label, confidence and reasons stay; a model's own words may tell what was in the picture. */
export function erasedDecision(text: string | null): string | null {
  if (text === null) return null;
  return JSON.stringify({ ...(JSON.parse(text) as Plain), explanation: null });
}
