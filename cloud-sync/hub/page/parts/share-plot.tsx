import { type ComponentChildren, type JSX } from "preact";

/** A plot of shares over shares, drawn as SVG; the table below it says the same to whoever cannot see it. */
export interface SharePlotProps {
  readonly label: string;
  readonly xName: string;
  readonly yName: string;
  /** Largest value of y that is drawn; x goes to 1. */
  readonly yMax: number;
  readonly children: (place: {
    readonly x: (share: number) => number;
    readonly y: (share: number) => number;
  }) => ComponentChildren;
}

const [width, height, left, bottom, top, right] = [560, 260, 52, 34, 10, 14];

export function SharePlot({ label, xName, yName, yMax, children }: SharePlotProps): JSX.Element {
  const x = (share: number): number => left + share * (width - left - right);
  const y = (share: number): number => height - bottom - Math.min(1, share / yMax) * (height - bottom - top);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  return (
    <svg class="share-plot" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {ticks.map((tick) => (
        <g key={tick} class="plot-grid">
          <line x1={x(tick)} x2={x(tick)} y1={y(0)} y2={y(yMax)} />
          <line x1={x(0)} x2={x(1)} y1={y(tick * yMax)} y2={y(tick * yMax)} />
          <text x={x(tick)} y={height - bottom + 15} text-anchor="middle">
            {percent(tick)}
          </text>
          <text x={left - 6} y={y(tick * yMax) + 4} text-anchor="end">
            {percent(tick * yMax)}
          </text>
        </g>
      ))}
      <text class="plot-name" x={x(1)} y={height - 4} text-anchor="end">
        {xName}
      </text>
      <text class="plot-name" x={left + 4} y={top + 8}>
        {yName}
      </text>
      {children({ x, y })}
    </svg>
  );
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))}%`;
}

/** "M0 0L1 1…" through places. */
export function pathOf(places: readonly (readonly [x: number, y: number])[]): string {
  return places.map(([x, y], index) => `${index === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}
