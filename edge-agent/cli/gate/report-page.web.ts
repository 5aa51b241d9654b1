import { type ReportData, type ReportGroup } from "./report-data.ts";

/**
 * The program of the report. Its functions travel as text into the page, so they use nothing but each other and what a
 * browser has: no import but of types, no constant outside of a function.
 */

interface Interval {
  readonly lower: number;
  readonly upper: number;
}

interface Plot {
  readonly svg: SVGElement;
  /** Maps shares of both axes to units of the drawing. */
  readonly x: (share: number) => number;
  readonly y: (share: number) => number;
}

function lnGamma(z: number): number {
  // Lanczos, g = 7, n = 9 (Godfrey 2001), for z ≥ 1.
  const c = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  let sum = c[0] ?? 0;
  for (let i = 1; i < 9; i += 1) sum += (c[i] ?? 0) / (z - 1 + i);
  const t = z + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (z - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** I_x(a, b) by the continued fraction of DLMF 8.17.22 (Lentz). */
function betaShare(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaShare(1 - x, b, a);
  const front = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const tiny = 1e-300;
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1) || tiny);
  let f = d;
  for (let m = 1; m <= 500; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d || tiny);
    c = 1 + even / c || tiny;
    f *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d || tiny);
    c = 1 + odd / c || tiny;
    f *= d * c;
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  return front * f;
}

/** Clopper & Pearson 1934, each side at 2.5 %. */
function exactInterval(errors: number, n: number): Interval {
  const root = (level: number, a: number, b: number): number => {
    let [low, high] = [0, 1];
    for (let step = 0; step < 50; step += 1) {
      const middle = (low + high) / 2;
      if (betaShare(middle, a, b) < level) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };
  return {
    lower: errors === 0 ? 0 : root(0.025, errors, n - errors + 1),
    upper: errors === n ? 1 : root(0.975, errors + 1, n - errors),
  };
}

function inPercent(share: number, digits: number): string {
  return `${(100 * share).toFixed(digits)} %`;
}

function find(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

function draw(into: Element, name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  into.append(element);
  return element;
}

/** An empty plot with axes, ticks and their names. */
function plot(id: string, names: readonly [string, string], yMax: number): Plot {
  const svg = find(id) as unknown as SVGElement;
  svg.replaceChildren();
  const x = (share: number): number => 64 + share * 560;
  const y = (share: number): number => 300 - Math.min(1, share / yMax) * 280;
  for (let tick = 0; tick <= 5; tick += 1) {
    const [across, up] = [tick / 5, (yMax * tick) / 5];
    draw(svg, "line", { class: "grid", x1: x(0), x2: x(1), y1: y(up), y2: y(up) });
    draw(svg, "text", { x: x(across), y: 320, "text-anchor": "middle" }).textContent = inPercent(across, 0);
    draw(svg, "text", { x: 56, y: y(up) + 4, "text-anchor": "end" }).textContent = inPercent(up, yMax < 0.1 ? 1 : 0);
  }
  draw(svg, "text", { x: x(0.5), y: 346, "text-anchor": "middle", class: "axis" }).textContent = names[0];
  draw(svg, "text", { x: -160, y: 14, transform: "rotate(-90)", "text-anchor": "middle", class: "axis" }).textContent =
    names[1];
  return { svg, x, y };
}

/** The largest risk that is drawn: room for the contract and the whole curve, a round number. */
function riskTop(group: ReportGroup, maxError: number): number {
  const all = group.points.at(-1);
  const risk = all === undefined ? 0 : exactInterval(all[2], all[1]).upper;
  const wanted = Math.min(1, Math.max(3 * maxError, 1.1 * risk));
  return [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((top) => top >= wanted) ?? 1;
}

function drawCurve(group: ReportGroup, maxError: number): Plot {
  const on = plot("curve", ["coverage: share accepted", "selective risk"], riskTop(group, maxError));
  const { svg, x, y } = on;
  const at = group.points.map(([, n, errors]) => ({
    share: n / group.n,
    risk: errors / n,
    ...exactInterval(errors, n),
  }));
  const upper = at.map((point) => `${x(point.share)},${y(point.upper)}`);
  const lower = at.map((point) => `${x(point.share)},${y(point.lower)}`).reverse();
  draw(svg, "polygon", { class: "band", points: [...upper, ...lower].join(" ") });
  draw(svg, "polyline", { class: "risk", points: at.map((p) => `${x(p.share)},${y(p.risk)}`).join(" ") });
  draw(svg, "line", { class: "contract", x1: x(0), x2: x(1), y1: y(maxError), y2: y(maxError) });
  // Above the plot: inside of it every place is the curve's for some labels.
  draw(svg, "line", { class: "contract", x1: x(0), x2: x(0) + 30, y1: 8, y2: 8 });
  draw(svg, "text", { id: "contract-name", x: x(0) + 38, y: 12 }).textContent =
    `contract: at most ${inPercent(maxError, 2)}`;
  const certified = group.points.find(([threshold]) => threshold === group.threshold);
  if (certified !== undefined) {
    const [, n, errors] = certified;
    draw(svg, "circle", { class: "certified", cx: x(n / group.n), cy: y(errors / n), r: 6 });
  }
  return on;
}

function drawReliability(group: ReportGroup): void {
  const { svg, x, y } = plot("reliability", ["confidence", "share of right answers"], 1);
  draw(svg, "line", { class: "contract", x1: x(0), x2: x(1), y1: y(0), y2: y(1) });
  for (const { from, to, accuracy, confidence, lower, upper, isFew } of group.bins) {
    draw(svg, "rect", {
      class: isFew ? "band few" : "band",
      x: x(from) + 1,
      width: x(to) - x(from) - 2,
      y: y(accuracy),
      height: y(0) - y(accuracy),
    });
    draw(svg, "line", { class: "risk", x1: x(confidence), x2: x(confidence), y1: y(lower), y2: y(upper) });
    draw(svg, "circle", { class: "certified", cx: x(confidence), cy: y(accuracy), r: 3.5 });
  }
  const rows = group.bins.map(({ from, to, n, confidence, accuracy, lower, upper, isFew }) => {
    const row = document.createElement("tr");
    const cells = [
      `${from.toFixed(3)} to ${to.toFixed(3)}`,
      isFew ? `${n} (few)` : String(n),
      inPercent(confidence, 1),
      inPercent(accuracy, 1),
      `${inPercent(lower, 1)} to ${inPercent(upper, 1)}`,
    ];
    for (const text of cells) row.append(Object.assign(document.createElement("td"), { textContent: text }));
    return row;
  });
  find("bins").replaceChildren(...rows);
}

/** What the gate threshold under the slider would have done, in words and as a mark on the curve. */
function showChoice(group: ReportGroup, choice: number, on: Plot): void {
  const point = group.points[choice];
  if (point === undefined) return;
  const [threshold, n, errors] = point;
  const share = exactInterval(n, group.n);
  const risk = exactInterval(errors, n);
  const shown: Readonly<Record<string, string>> = {
    "what-threshold": String(threshold),
    "what-coverage": `${inPercent(n / group.n, 1)} (${n} of ${group.n}; ${inPercent(share.lower, 1)} to ${inPercent(share.upper, 1)})`,
    "what-reviews": String(Math.round(1000 * (1 - n / group.n))),
    "what-risk": `${inPercent(errors / n, 2)} (${errors} of ${n}; ${inPercent(risk.lower, 2)} to ${inPercent(risk.upper, 2)})`,
    "what-wrong": ((1000 * errors) / group.n).toFixed(1),
    "what-standing": standing(group.threshold, threshold),
  };
  for (const [id, text] of Object.entries(shown)) find(id).textContent = text;
  find("what").setAttribute("aria-valuetext", `gate threshold ${threshold}, accepts ${inPercent(n / group.n, 1)}`);
  on.svg.querySelector(".choice")?.remove();
  draw(on.svg, "line", { class: "choice", x1: on.x(n / group.n), x2: on.x(n / group.n), y1: on.y(0), y2: 20 });
}

function standing(certified: number | null, threshold: number): string {
  if (certified === null) return "not certified: these labels prove no gate threshold";
  if (threshold === certified) return "certified";
  if (threshold > certified) return "more careful than the certified gate threshold";
  return "not certified: lower than these labels prove";
}

function showGroup(data: ReportData, at: number): void {
  const group = data.groups[at];
  if (group === undefined) return;
  const on = drawCurve(group, data.maxError);
  drawReliability(group);
  const slider = find("what") as HTMLInputElement;
  slider.max = String(group.points.length - 1);
  const certified = group.points.findIndex(([threshold]) => threshold === group.threshold);
  slider.value = String(certified < 0 ? 0 : certified);
  slider.oninput = () => showChoice(group, Number(slider.value), on);
  showChoice(group, Number(slider.value), on);
}

function startReport(): void {
  const data = JSON.parse(find("data").textContent) as ReportData;
  const choose = document.getElementById("group") as HTMLSelectElement | null;
  if (choose !== null) choose.onchange = () => showGroup(data, choose.selectedIndex);
  showGroup(data, 0);
}

/** The program as text: every function of this file, and the call that starts it. */
export function reportProgram(): string {
  const all = [lnGamma, betaShare, exactInterval, inPercent, find, draw, plot, riskTop];
  const more = [drawCurve, drawReliability, showChoice, standing, showGroup, startReport];
  return `"use strict";\n${[...all, ...more].map(String).join("\n")}\n${startReport.name}();\n`;
}
