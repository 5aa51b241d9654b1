import { type JSX } from "preact";
import { labelText, percentText } from "../../../review/page/wording.ts";
import type { ReviewerFigures } from "../../review/review-lists.ts";
import { reviews } from "../api.web.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { usePages } from "../parts/loading.ts";
import { Empty, MoreButton, NotYet } from "../parts/parts.tsx";
import { countText } from "../words.ts";

const share = (value: number | null, of: number): JSX.Element | string =>
  value === null ? <span class="quiet">not known yet</span> : `${percentText(value)} of ${countText(of)}`;

const columns: readonly Column<ReviewerFigures>[] = [
  { name: "Reviewer", cell: ({ name }) => name },
  { name: "Task", cell: ({ task }) => labelText(task) },
  { name: "Answered", cell: ({ answered }) => countText(answered), isNumber: true },
  { name: "Cannot tell", cell: ({ cannotTell }) => countText(cannotTell), isNumber: true, isMinor: true },
  { name: "Right on known cases", cell: ({ goldAccuracy, goldShown }) => share(goldAccuracy, goldShown) },
  { name: "Upheld", cell: ({ upheldShare, judged }) => share(upheldShare, judged), isMinor: true },
  {
    name: "Time a case",
    cell: ({ meanTookMs }) => (meanTookMs === null ? "" : `${(meanTookMs / 1000).toFixed(1)} s`),
    isNumber: true,
  },
];

/** How well and how fast reviewers work; for leads. */
export function ReviewerFiguresCard(): JSX.Element {
  const loaded = usePages("figures", reviews.figures);
  const { value } = loaded;
  return (
    <section class="panel-card" aria-labelledby="figures-title">
      <h2 id="figures-title">Reviewers</h2>
      <NotYet loaded={loaded} />
      {value?.length === 0 ? <Empty title="Nobody has answered yet." /> : null}
      {value !== null && value.length > 0 ? (
        <DataTable
          {...{ caption: "Reviewers", columns, rows: value }}
          keyOf={({ person, task }) => `${person}/${task}`}
        />
      ) : null}
      <MoreButton loaded={loaded} />
    </section>
  );
}
