import type axe from "axe-core";
import { type Page } from "playwright-core";

const wcag = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Faults by axe-core; `rules` narrows the check, for states that differ in colour only. */
export async function axeFaults(page: Page, rules: readonly string[] | null = null): Promise<readonly string[]> {
  await page.waitForTimeout(200); // Colours in the middle of an animation are nobody's colours.
  return page.evaluate(
    async ([tags, only]) => {
      const runner = (globalThis as unknown as { axe: typeof axe }).axe;
      const runOnly =
        only === null ? { type: "tag" as const, values: [...tags] } : { type: "rule" as const, values: [...only] };
      const { violations } = await runner.run(document, { runOnly, resultTypes: ["violations"], preload: false });
      return violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary ?? ""}`).join(" | ")}`,
      );
    },
    [wcag, rules] as const,
  );
}
