import { type JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

interface ChartLine {
  readonly name: string;
  /** A colour of the stylesheet: `--bar-first`. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly isDashed?: boolean;
}

export interface ChartProps {
  /** Read by screen readers, to whom the table below says the rest. */
  readonly label: string;
  readonly atMs: readonly number[];
  readonly lines: readonly ChartLine[];
  /** Shares in [0, 1] stand on a scale of their own. */
  readonly isShare?: boolean;
  readonly heightPx?: number;
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** The day at its beginning, else the hour; seconds, as uPlot has them. */
function timeLabel(atS: number): string {
  const at = new Date(atS * 1000);
  return at.getHours() === 0 && at.getMinutes() === 0 ? day.format(at) : hour.format(at);
}

/** Lines over time (uPlot), in the colours of the scheme that the reader has chosen. */
export function Chart({ label, atMs, lines, isShare = false, heightPx = 260 }: ChartProps): JSX.Element {
  const room = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = room.current;
    if (!element) return;
    let plot = draw(element);
    const redraw = (): void => {
      plot.destroy();
      plot = draw(element);
    };
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: heightPx }));
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    resized.observe(element);
    scheme.addEventListener("change", redraw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", redraw);
      plot.destroy();
    };
  }, [atMs, lines]);

  function draw(element: HTMLElement): uPlot {
    const colours = getComputedStyle(element);
    const colour = (name: string): string => colours.getPropertyValue(name).trim();
    const axis = { stroke: colour("--ink-quiet"), grid: { stroke: colour("--line"), width: 1 }, font: "12px Inter" };
    const percent = (value: number | null): string => (value === null ? "–" : `${Math.round(value * 1000) / 10}%`);
    const options: uPlot.Options = {
      width: element.clientWidth,
      height: heightPx,
      axes: [
        {
          ...axis,
          ticks: { show: false },
          space: 70,
          values: (_plot: uPlot, splits: number[]) => splits.map(timeLabel),
        },
        {
          ...axis,
          size: 56,
          ticks: { show: false },
          ...(isShare ? { values: (_plot: uPlot, splits: number[]) => splits.map(percent) } : {}),
        },
      ],
      // The table below says every value; what only a pointer could do is left out.
      legend: { live: false },
      cursor: { show: false },
      scales: isShare
        ? { y: { range: [0, 1] } }
        : { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      series: [
        {},
        ...lines.map((line) => ({
          label: line.name,
          stroke: colour(line.colour),
          width: 2,
          // A step between two without decisions has no line: its point is all that there is of it.
          points: { show: isShare || atMs.length < 3, size: 6 },
          ...(line.isDashed === true ? { dash: [6, 5] } : {}),
          ...(isShare ? { value: (_plot: uPlot, value: number | null) => percent(value) } : {}),
        })),
      ],
    };
    const data: uPlot.AlignedData = [atMs.map((at) => at / 1000), ...lines.map(({ values }) => [...values])];
    return new uPlot(options, data, element);
  }

  return <div ref={room} class="chart" role="img" aria-label={label} />;
}
