import { type JSX } from "preact";
import { type GateDetail } from "../gates-api.web.ts";
import { bandTexts, rangeText, shareText } from "../gate-words.ts";
import { DataTable } from "../parts/data-table.tsx";
import { SharePlot } from "../parts/share-plot.tsx";
import { countText } from "../words.ts";

type Bin = GateDetail["figures"]["reliability"][number];

/** How far the confidences can be believed: the share right in each range of confidence, with its interval. */
export function Reliability({ gate }: { readonly gate: GateDetail }): JSX.Element {
  const bins = gate.figures.reliability.filter(({ items }) => items > 0);
  const { calibrationError, method, labels } = gate.figures;
  return (
    <section class="panel-card" aria-labelledby="reliability-title">
      <h2 id="reliability-title">Reliability</h2>
      <SharePlot
        label="Reliability: share right over confidence, with intervals"
        {...{ xName: "confidence", yName: "share right", yMax: 1 }}
      >
        {({ x, y }) => (
          <>
            {bins.map((bin) => (
              <Bar key={bin.lower} {...{ bin, x, y }} />
            ))}
            <line class="plot-promise" x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />
          </>
        )}
      </SharePlot>
      <p class="quiet">
        Dots on the dashed line: the confidence means what it says. The strokes are the {bandTexts[method] ?? method}
        {method === "inverse_propensity" ? ", and exact where all labels of a bar had the same chance" : ""}; pale bars
        have too few labels to say much.
        {calibrationError === null ? "" : ` Expected calibration error ${shareText(calibrationError)}`}, 15 bins,{" "}
        {countText(labels)} labels.
      </p>
      <details>
        <summary>The same as a table</summary>
        <DataTable
          caption="Reliability"
          rows={bins}
          keyOf={({ lower }) => String(lower)}
          columns={[
            { name: "Confidence", cell: ({ lower, upper }) => rangeText(lower, upper) },
            {
              name: "Labels",
              cell: ({ items, isFew }) => (isFew ? `${countText(items)}, few` : countText(items)),
              isNumber: true,
            },
            { name: "Mean confidence", cell: ({ confidence }) => shareText(confidence), isNumber: true },
            { name: "Right", cell: ({ accuracy }) => shareText(accuracy), isNumber: true },
            {
              name: "Interval",
              cell: ({ accuracyLower, accuracyUpper }) => rangeText(accuracyLower, accuracyUpper),
              isNumber: true,
            },
          ]}
        />
      </details>
    </section>
  );
}

function Bar(props: {
  readonly bin: Bin;
  readonly x: (share: number) => number;
  readonly y: (share: number) => number;
}): JSX.Element {
  const { bin, x, y } = props;
  return (
    <>
      <rect
        class={bin.isFew ? "plot-bar few" : "plot-bar"}
        x={x(bin.lower) + 1}
        width={x(bin.upper) - x(bin.lower) - 2}
        y={y(bin.accuracy)}
        height={y(0) - y(bin.accuracy)}
      />
      <line
        class="plot-interval"
        x1={x(bin.confidence)}
        x2={x(bin.confidence)}
        y1={y(bin.accuracyLower)}
        y2={y(bin.accuracyUpper)}
      />
      <circle class="plot-mark" cx={x(bin.confidence)} cy={y(bin.accuracy)} r={2.5} />
    </>
  );
}
