import { type JSX } from "preact";
import type { ReviewCase } from "../../../protocol/index.ts";
import { labelText } from "./wording.ts";

/** A case without a picture: its curves and its facts. */
export function FactsTable({ held }: { readonly held: ReviewCase }): JSX.Element {
  return (
    <div class="facts" tabIndex={0} role="group" aria-label="What the device sent">
      {held.series.map((series) => (
        <Sparkline key={series.name} {...series} />
      ))}
      <table>
        <caption class="visually-hidden">What the device sent</caption>
        <tbody>
          {held.facts.map(({ name, value }, index) => (
            <tr key={index}>
              <th scope="row">{labelText(name)}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const width = 600;
const height = 150;

function Sparkline({ name, points, seconds }: ReviewCase["series"][number]): JSX.Element {
  const { line, low, high } = curve(points);
  return (
    <figure class="sparkline">
      <figcaption>
        {labelText(name)}
        <span class="quiet">
          {low} to {high} in {Number(seconds.toPrecision(3))} s
        </span>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name} over time, from ${low} to ${high}`}
      >
        <path class="spark-area" d={`${line} L ${width} ${height} L 0 ${height} Z`} />
        <path class="spark-line" d={line} vector-effect="non-scaling-stroke" />
      </svg>
    </figure>
  );
}

function curve(points: readonly number[]): { readonly line: string; readonly low: number; readonly high: number } {
  const low = Math.min(...points);
  const high = Math.max(...points);
  const range = high - low || 1;
  const commands = points.map((point, index) => {
    const x = points.length === 1 ? 0 : (index / (points.length - 1)) * width;
    const y = height - 10 - ((point - low) / range) * (height - 20);
    return `${index === 0 ? "M" : "L"} ${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return { line: commands.join(" "), low, high };
}
