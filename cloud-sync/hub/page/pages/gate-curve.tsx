import { type JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { type GateDetail, type GateFigurePoint } from "../gates-api.web.ts";
import {
  bandTexts,
  decisionsOf,
  gateText,
  lowestFor,
  promiseText,
  rangeText,
  shareText,
  standing,
  whatIf,
} from "../gate-words.ts";
import { DataTable } from "../parts/data-table.tsx";
import { pathOf, SharePlot } from "../parts/share-plot.tsx";
import { countText } from "../words.ts";
import { Reliability } from "./gate-reliability.tsx";

/** Risk over coverage with a slider "what if", and how far the confidences can be believed. */
export function GateCurve({ gate }: { readonly gate: GateDetail }): JSX.Element {
  return (
    <div class="gate-figures">
      <Curve gate={gate} />
      <Reliability gate={gate} />
    </div>
  );
}

function Curve({ gate }: { readonly gate: GateDetail }): JSX.Element {
  const { figures, contract, state } = gate;
  const { curve } = figures;
  const promise = contract?.maxError ?? null;
  const newest = standing(gate);
  const proved = newest?.provedGateThreshold ?? newest?.gateThreshold ?? null;
  const start = indexOf(curve, state?.gateThreshold ?? null, promise);
  const [moved, setMoved] = useState<number | null>(null);
  const at = Math.min(curve.length - 1, moved ?? start);
  const point = curve[at];
  const yMax = niceMax(Math.max(...curve.map(({ risk }) => risk), (promise ?? 0) * 2, 0.002));
  return (
    <section class="panel-card" aria-labelledby="curve-title">
      <h2 id="curve-title">Risk over coverage</h2>
      <SharePlot
        label={`Risk over coverage of ${countText(figures.labels)} labels`}
        {...{ xName: "coverage: share accepted", yName: "share wrong among these", yMax }}
      >
        {({ x, y }) => (
          <>
            <path class="plot-band" d={bandOf(curve, x, y)} />
            <path class="plot-line" d={pathOf(curve.map((one) => [x(one.coverage), y(one.risk)] as const))} />
            {promise === null ? null : (
              <line class="plot-promise" x1={x(0)} x2={x(1)} y1={y(promise)} y2={y(promise)} />
            )}
            {point ? <circle class="plot-here" cx={x(point.coverage)} cy={y(point.risk)} r={6} /> : null}
          </>
        )}
      </SharePlot>
      <WhatIf {...{ curve, at, onAt: setMoved, promise, proved, decisions: decisionsOf(gate) }} />
      <p class="quiet">
        The band is the {bandTexts[figures.method] ?? figures.method}; the dashed line is the promise. A certificate is
        made of stricter tests than this picture.
      </p>
      <details>
        <summary>The same as a table</summary>
        <DataTable
          caption="Risk over coverage"
          rows={curve.filter((_, index) => index % 5 === 0 || index === curve.length - 1)}
          keyOf={({ gateThreshold }) => String(gateThreshold)}
          columns={[
            { name: "Gate threshold", cell: ({ gateThreshold }) => gateText(gateThreshold) },
            { name: "Coverage", cell: ({ coverage }) => shareText(coverage), isNumber: true },
            {
              name: "Wrong",
              cell: ({ errors, labels }) => `${countText(errors)} of ${countText(labels)}`,
              isNumber: true,
            },
            { name: "Risk", cell: ({ risk }) => shareText(risk), isNumber: true },
            {
              name: "Interval",
              cell: ({ lower, upper }) => rangeText(lower, upper),
              isNumber: true,
            },
          ]}
        />
      </details>
    </section>
  );
}

function WhatIf(props: {
  readonly curve: readonly GateFigurePoint[];
  readonly at: number;
  readonly onAt: (at: number) => void;
  readonly promise: number | null;
  readonly proved: number | null;
  readonly decisions: string;
}): JSX.Element {
  const { curve, at, promise, proved } = props;
  const id = useId();
  const gateThreshold = curve[at]?.gateThreshold ?? 1;
  const means = whatIf(curve, gateThreshold);
  return (
    <div class="what-if">
      <label for={id}>What if the gate threshold were {gateText(gateThreshold)}?</label>
      <input
        id={id}
        type="range"
        min={0}
        max={curve.length - 1}
        value={at}
        aria-valuetext={`gate threshold ${gateText(gateThreshold)}`}
        onInput={(event) => props.onAt(Number(event.currentTarget.value))}
      />
      <p role="status">
        Of 1,000 {props.decisions} people would look at <strong>{countText(Math.round(means.reviewsPer1000))}</strong>,
        and about <strong>{means.wrongPer1000.toFixed(1)}</strong> (at most {means.wrongMaxPer1000.toFixed(1)}) of those
        accepted would be wrong. {promiseText(means.point, promise, proved)}
      </p>
    </div>
  );
}

function indexOf(curve: readonly GateFigurePoint[], gateThreshold: number | null, promise: number | null): number {
  const best = promise === null ? null : lowestFor(curve, promise);
  const wanted = gateThreshold ?? best?.gateThreshold ?? 1;
  return Math.max(
    0,
    curve.findLastIndex((point) => point.gateThreshold >= wanted),
  );
}

type Place = (share: number) => number;

function bandOf(curve: readonly GateFigurePoint[], x: Place, y: Place): string {
  const upper = curve.map((one) => [x(one.coverage), y(one.upper)] as const);
  const lower = [...curve].reverse().map((one) => [x(one.coverage), y(one.lower)] as const);
  return `${pathOf([...upper, ...lower])}Z`;
}

/** 1, 2 or 5 times a power of ten. */
function niceMax(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((times) => times * power >= value) ?? 10;
  return Math.min(1, step * power);
}
