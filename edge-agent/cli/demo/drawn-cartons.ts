import { drawLetters } from "./drawn-letters.ts";
import { type Dice } from "./drawn-random.ts";

/** Cartons and cups, schematic: plain words in place of anybody's logo. */
export interface Carton {
  readonly label: string;
  readonly shape: "gable" | "brick" | "cup";
  /** Ground, band, and letters. */
  readonly colours: readonly [string, string, string];
  readonly words: readonly [string, ...string[]];
  /** What is drawn on it. */
  readonly picture: "drop" | "fruit" | "grain" | "stripes";
}

export const cartons: readonly [Carton, ...Carton[]] = [
  {
    label: "Oatly-Oat-Milk",
    shape: "gable",
    colours: ["#cfe3ea", "#27485c", "#1c3442"],
    words: ["OAT", "MILK"],
    picture: "grain",
  },
  {
    label: "Oatly-Natural-Oatghurt",
    shape: "gable",
    colours: ["#f2efe4", "#3f6f8c", "#1c3442"],
    words: ["OAT", "NATURAL"],
    picture: "grain",
  },
  {
    label: "Arla-Standard-Milk",
    shape: "gable",
    colours: ["#f7f7f3", "#c2263a", "#8c1526"],
    words: ["MILK", "STANDARD"],
    picture: "drop",
  },
  {
    label: "Arla-Medium-Fat-Milk",
    shape: "gable",
    colours: ["#f7f7f3", "#2c8a4b", "#17572c"],
    words: ["MILK", "MEDIUM"],
    picture: "drop",
  },
  {
    label: "Arla-Lactose-Medium-Fat-Milk",
    shape: "gable",
    colours: ["#eef4f7", "#2b6fb0", "#174a7c"],
    words: ["MILK", "NO LACTOSE"],
    picture: "drop",
  },
  {
    label: "Alpro-Fresh-Soy-Milk",
    shape: "gable",
    colours: ["#fdf6e4", "#3f8f3f", "#27602a"],
    words: ["SOY", "FRESH"],
    picture: "stripes",
  },
  {
    label: "Arla-Sour-Milk",
    shape: "brick",
    colours: ["#f4f1ea", "#6b4a9c", "#43296b"],
    words: ["SOUR", "MILK"],
    picture: "stripes",
  },
  {
    label: "Bravo-Orange-Juice",
    shape: "brick",
    colours: ["#fff3dd", "#ef8a1d", "#9c4a06"],
    words: ["ORANGE", "JUICE"],
    picture: "fruit",
  },
  {
    label: "Bravo-Apple-Juice",
    shape: "brick",
    colours: ["#f2f8e4", "#7fb03a", "#3f6417"],
    words: ["APPLE", "JUICE"],
    picture: "fruit",
  },
  {
    label: "God-Morgon-Orange-Juice",
    shape: "gable",
    colours: ["#fffaf0", "#e9741b", "#8f3f08"],
    words: ["ORANGE", "MORNING"],
    picture: "fruit",
  },
  {
    label: "God-Morgon-Red-Grapefruit-Juice",
    shape: "gable",
    colours: ["#fff5f2", "#d2475a", "#8a1f33"],
    words: ["RED", "GRAPEFRUIT"],
    picture: "fruit",
  },
  {
    label: "Yoggi-Strawberry-Yoghurt",
    shape: "brick",
    colours: ["#fdeef1", "#d8385a", "#8c1735"],
    words: ["YOGHURT", "STRAWBERRY"],
    picture: "fruit",
  },
  {
    label: "Arla-Mild-Vanilla-Yoghurt",
    shape: "brick",
    colours: ["#fff8e2", "#e3b13a", "#7d5a0c"],
    words: ["YOGHURT", "VANILLA"],
    picture: "stripes",
  },
  {
    label: "Alpro-Vanilla-Soyghurt",
    shape: "cup",
    colours: ["#fdf6e0", "#d9a62e", "#7a5708"],
    words: ["SOY", "VANILLA"],
    picture: "grain",
  },
  {
    label: "Alpro-Blueberry-Soyghurt",
    shape: "cup",
    colours: ["#f0eefa", "#5a55b0", "#2f2b73"],
    words: ["SOY", "BLUEBERRY"],
    picture: "fruit",
  },
  {
    label: "Arla-Sour-Cream",
    shape: "cup",
    colours: ["#f7f7f3", "#2f7fa8", "#1b5676"],
    words: ["SOUR", "CREAM"],
    picture: "drop",
  },
];

/** It stands on a shelf between others, seen from the aisle, in a crop of `side` pixels. */
export function drawCarton(item: Carton, dice: Dice, side: number): string {
  const board = side - 44;
  const width = item.shape === "cup" ? dice.between(150, 170) : dice.between(120, 142);
  const height = item.shape === "cup" ? width * 1.05 : dice.between(238, 262);
  const x = side / 2 + dice.between(-16, 16);
  const neighbours = [-1, 1].flatMap((way) => {
    const other = way < 0 || dice.between(0, 1) < 0.5 ? item : dice.pick(cartons);
    const shift = way * (width + dice.between(5, 14));
    return other.shape === item.shape ? [pack(other, x + shift, board, width, height)] : [];
  });
  return `<defs>
    <linearGradient id="wall" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#5c6166"/><stop offset="1" stop-color="#33373b"/></linearGradient>
    <linearGradient id="round" x1="0" y1="0" x2="1" y2="0"><stop offset="0" stop-color="#000" stop-opacity=".26"/><stop offset=".22" stop-color="#fff" stop-opacity=".2"/><stop offset=".6" stop-color="#000" stop-opacity="0"/><stop offset="1" stop-color="#000" stop-opacity=".34"/></linearGradient>
  </defs>
  <rect width="${side}" height="${side}" fill="url(#wall)"/>
  <rect y="0" width="${side}" height="26" fill="#23262a"/>
  ${neighbours.join("")}${pack(item, x, board, width, height)}
  ${rail(dice, side, board)}`;
}

function pack(item: Carton, x: number, board: number, width: number, height: number): string {
  const [ground, band, ink] = item.colours;
  const left = x - width / 2;
  const top = board - height;
  const roof = item.shape === "gable" ? width * 0.36 : 0;
  const face =
    item.shape === "cup"
      ? cupFace(left, top, width, board)
      : `<rect x="${n(left)}" y="${n(top + roof)}" width="${n(width)}" height="${n(height - roof)}"/>`;
  const gable = item.shape === "gable" ? gableRoof(item, left, top, width, roof) : "";
  const lid =
    item.shape === "cup"
      ? `<rect x="${n(left - 5)}" y="${n(top - 7)}" width="${n(width + 10)}" height="12" rx="4" fill="${band}"/>`
      : "";
  const bandTop = top + roof + (height - roof) * 0.12;
  const bandHeight = (height - roof) * 0.4;
  const lines = item.words.map((word, index) => {
    const y = bandTop + bandHeight * ((index + 0.5) / item.words.length);
    return drawLetters(word, x, y, width * 0.76, index === 0 ? 26 : 17);
  });
  const inset = item.shape === "cup" ? width * 0.05 : 0;
  return `<ellipse cx="${n(x + 8)}" cy="${n(board)}" rx="${n(width * 0.58)}" ry="9" fill="#000" opacity=".4"/>
    <g fill="${ground}">${face}</g>${gable}
    <rect x="${n(left + inset)}" y="${n(bandTop)}" width="${n(width - inset * 2)}" height="${n(bandHeight)}" fill="${band}"/>
    <g fill="none" stroke="${ground}" stroke-linecap="round" stroke-linejoin="round">${lines.join("")}</g>
    ${emblem(item, x, board - (height - roof) * 0.24, width * 0.24, band, ink)}
    <g fill="url(#round)">${face}</g>${lid}`;
}

function cupFace(left: number, top: number, width: number, board: number): string {
  return `<path d="M${n(left)} ${n(top)}h${n(width)}l${n(-width * 0.1)} ${n(board - top)}h${n(-width * 0.8)}Z"/>`;
}

function gableRoof({ colours }: Carton, left: number, top: number, width: number, roof: number): string {
  return `<path d="M${n(left)} ${n(top + roof)}L${n(left + width * 0.12)} ${n(top + 14)}H${n(left + width * 0.88)}L${n(left + width)} ${n(top + roof)}Z" fill="${colours[0]}"/>
    <path d="M${n(left)} ${n(top + roof)}L${n(left + width * 0.12)} ${n(top + 14)}H${n(left + width * 0.88)}L${n(left + width)} ${n(top + roof)}Z" fill="#000" opacity=".13"/>
    <rect x="${n(left + width * 0.12)}" y="${n(top)}" width="${n(width * 0.76)}" height="15" fill="${colours[1]}"/>
    <circle cx="${n(left + width * 0.5)}" cy="${n(top + roof * 0.66)}" r="13" fill="#f6f6f2"/><circle cx="${n(left + width * 0.5)}" cy="${n(top + roof * 0.66)}" r="13" fill="none" stroke="#000" stroke-opacity=".25" stroke-width="2"/>`;
}

function emblem(item: Carton, x: number, y: number, r: number, band: string, ink: string): string {
  switch (item.picture) {
    case "drop":
      return `<path d="M${n(x)} ${n(y - r)}q${n(r * 0.9)} ${n(r)} 0 ${n(r * 1.8)}q${n(-r * 0.9)}-${n(r * 0.8)} 0-${n(r * 1.8)}Z" fill="${band}" opacity=".85"/>`;
    case "fruit":
      return `<circle cx="${n(x)}" cy="${n(y)}" r="${n(r)}" fill="${band}"/><path d="M${n(x)} ${n(y - r * 0.9)}q${n(r * 0.4)}-${n(r * 0.6)} ${n(r)}-${n(r * 0.4)}q${n(-r * 0.3)} ${n(r * 0.5)}-${n(r)} ${n(r * 0.4)}Z" fill="#4d7a33"/><circle cx="${n(x - r * 0.3)}" cy="${n(y - r * 0.3)}" r="${n(r * 0.22)}" fill="#fff" opacity=".5"/>`;
    case "grain":
      return `<g fill="${ink}">${[-1, 0, 1].map((i) => `<ellipse cx="${n(x + i * r * 0.75)}" cy="${n(y + Math.abs(i) * r * 0.3)}" rx="${n(r * 0.24)}" ry="${n(r * 0.62)}" transform="rotate(${i * 24} ${n(x + i * r * 0.75)} ${n(y)})"/>`).join("")}</g>`;
    case "stripes":
      return `<g fill="${band}" opacity=".8">${[0, 1, 2].map((i) => `<rect x="${n(x - r * 1.3)}" y="${n(y - r * 0.6 + i * r * 0.55)}" width="${n(r * (2.6 - i * 0.6))}" height="${n(r * 0.26)}" rx="3"/>`).join("")}</g>`;
  }
}

/** The shelf's edge with a price label; its digits are bars, because nobody should read a price into it. */
function rail(dice: Dice, side: number, board: number): string {
  const x = side * dice.between(0.16, 0.56);
  const bars = Array.from(
    { length: 12 },
    (_, i) =>
      `<rect x="${n(x + 58 + i * 4.2)}" y="${board + 15}" width="${n(dice.between(1, 3))}" height="17" fill="#222"/>`,
  );
  return `<rect y="${board}" width="${side}" height="${side - board}" fill="#c9ccce"/><rect y="${board}" width="${side}" height="4" fill="#eceeef"/>
    <rect y="${side - 5}" width="${side}" height="5" fill="#8f9498"/>
    <rect x="${n(x)}" y="${board + 9}" width="120" height="29" rx="2" fill="#fffbe9"/>
    <rect x="${n(x + 8)}" y="${board + 16}" width="40" height="6" rx="2" fill="#3a3d40"/><rect x="${n(x + 8)}" y="${board + 27}" width="28" height="4" rx="2" fill="#9a9da0"/>${bars.join("")}`;
}

function n(value: number): string {
  return value.toFixed(1);
}
