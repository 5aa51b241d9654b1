import { type Dice } from "./drawn-random.ts";

/** Fruit and vegetables, schematic: a shaded body, what grows on it, and how it lies in a crate. */
export interface Produce {
  readonly label: string;
  readonly shape: "round" | "banana" | "long" | "lemon" | "pepper";
  /** From the light to the shadow. */
  readonly colours: readonly [string, string, string];
  readonly blush?: string;
  readonly speckles?: string;
  readonly top?: "stem" | "leaf" | "star" | "vine" | "navel";
  /** Radius in pixels of a crop of 348. */
  readonly size: number;
}

export const produce: readonly [Produce, ...Produce[]] = [
  {
    label: "Golden-Delicious",
    shape: "round",
    colours: ["#f3efa0", "#d5d05a", "#8d8a2c"],
    speckles: "#9c9440",
    top: "stem",
    size: 62,
  },
  {
    label: "Granny-Smith",
    shape: "round",
    colours: ["#cfe88f", "#87bb3f", "#467021"],
    speckles: "#e5f2c0",
    top: "stem",
    size: 60,
  },
  {
    label: "Pink-Lady",
    shape: "round",
    colours: ["#f6c3ae", "#d9606a", "#8c2c40"],
    blush: "#e9c86a",
    speckles: "#f7d9c4",
    top: "stem",
    size: 62,
  },
  {
    label: "Red-Delicious",
    shape: "round",
    colours: ["#d9525a", "#9c1526", "#4f0713"],
    speckles: "#e7b2a4",
    top: "stem",
    size: 62,
  },
  {
    label: "Royal-Gala",
    shape: "round",
    colours: ["#f3b27c", "#cf4b34", "#84241c"],
    blush: "#ecc05f",
    speckles: "#f6d8a6",
    top: "stem",
    size: 58,
  },
  {
    label: "Orange",
    shape: "round",
    colours: ["#ffc871", "#f28a1a", "#ad5206"],
    speckles: "#d36f0c",
    top: "navel",
    size: 64,
  },
  {
    label: "Satsumas",
    shape: "round",
    colours: ["#ffbf66", "#ee7d17", "#a84a08"],
    speckles: "#d2680e",
    top: "leaf",
    size: 48,
  },
  { label: "Lemon", shape: "lemon", colours: ["#fff4a3", "#f5d527", "#b28f0a"], speckles: "#dcb915", size: 54 },
  { label: "Lime", shape: "lemon", colours: ["#bfe07d", "#6ba32c", "#375c12"], speckles: "#4d8120", size: 46 },
  { label: "Kiwi", shape: "lemon", colours: ["#b39a6c", "#7f6338", "#463418"], speckles: "#5c4522", size: 48 },
  { label: "Avocado", shape: "lemon", colours: ["#7d9455", "#41562b", "#1d2913"], speckles: "#26361a", size: 60 },
  { label: "Peach", shape: "round", colours: ["#fcd5a0", "#ef9a62", "#b0502f"], blush: "#cf4a3c", size: 58 },
  { label: "Nectarine", shape: "round", colours: ["#f6a873", "#d2452f", "#7d1a1b"], blush: "#f2bd55", size: 56 },
  { label: "Plum", shape: "lemon", colours: ["#a877a3", "#5b2a5e", "#2a0f2e"], size: 46 },
  { label: "Banana", shape: "banana", colours: ["#fff0a0", "#f3cf3b", "#ad8514"], size: 118 },
  { label: "Cucumber", shape: "long", colours: ["#7ea95c", "#35672c", "#163616"], speckles: "#8fb571", size: 34 },
  { label: "Carrots", shape: "long", colours: ["#ffb56b", "#ee7a1c", "#a9480a"], size: 22 },
  { label: "Regular-Tomato", shape: "round", colours: ["#ff9a7c", "#de2f21", "#87110f"], top: "star", size: 52 },
  { label: "Vine-Tomato", shape: "round", colours: ["#ff8d70", "#d9261c", "#800d0e"], top: "vine", size: 46 },
  { label: "Red-Bell-Pepper", shape: "pepper", colours: ["#f78871", "#c91d1d", "#6f0a10"], top: "stem", size: 70 },
  { label: "Yellow-Bell-Pepper", shape: "pepper", colours: ["#fff09a", "#f1c31b", "#a67c06"], top: "stem", size: 70 },
  { label: "Yellow-Onion", shape: "round", colours: ["#f2cf93", "#c98a3d", "#7d4c18"], top: "stem", size: 52 },
];

/** A crate of it, seen from above, in a crop of `side` pixels. */
export function drawProduce(item: Produce, dice: Dice, side: number): string {
  const pieces = places(item, dice, side).map((place) => piece(item, dice, place));
  const [light, middle, dark] = item.colours;
  return `<defs>
    <radialGradient id="body" cx="36%" cy="30%" r="78%">
      <stop offset="0" stop-color="${light}"/><stop offset=".45" stop-color="${middle}"/><stop offset="1" stop-color="${dark}"/>
    </radialGradient>
    <linearGradient id="along" x1="0" y1="0" x2="0" y2="1">
      <stop offset="0" stop-color="${light}"/><stop offset=".4" stop-color="${middle}"/><stop offset="1" stop-color="${dark}"/>
    </linearGradient>
    <radialGradient id="shine" cx="34%" cy="26%" r="32%">
      <stop offset="0" stop-color="#fff" stop-opacity=".62"/><stop offset="1" stop-color="#fff" stop-opacity="0"/>
    </radialGradient>
    <radialGradient id="blush" cx="68%" cy="62%" r="52%">
      <stop offset="0" stop-color="${item.blush ?? middle}" stop-opacity=".85"/><stop offset="1" stop-color="${item.blush ?? middle}" stop-opacity="0"/>
    </radialGradient>
  </defs>
  <rect width="${side}" height="${side}" fill="#2a2521"/>
  ${crate(dice, side)}
  ${pieces.join("\n")}`;
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly turn: number;
  readonly scale: number;
}

/** Rows from the back to the front, so that what is nearer covers what is behind. */
function places(item: Produce, dice: Dice, side: number): readonly Place[] {
  const isLong = item.shape === "long";
  const isBanana = item.shape === "banana";
  const stepX = isLong ? side : isBanana ? side * 0.52 : item.size * 1.86;
  const stepY = isLong ? item.size * 1.7 : isBanana ? 44 : item.size * 1.5;
  const shift = dice.between(-0.5, 0.5);
  const found: Place[] = [];
  for (let row = 0, y = -item.size * 0.2; y < side + item.size; row += 1, y += stepY) {
    const offset = (row % 2 === 0 ? 0.5 : 0) + shift;
    for (let x = (offset - 1) * stepX; x < side + stepX; x += stepX) {
      found.push({
        x: x + dice.between(-0.09, 0.09) * stepX,
        y: y + dice.between(-0.09, 0.09) * stepY,
        turn: isLong ? dice.between(-5, 5) : isBanana ? dice.between(-14, 14) : dice.between(-70, 70),
        scale: dice.between(0.93, 1.08),
      });
    }
  }
  return found;
}

function piece(item: Produce, dice: Dice, { x, y, turn, scale }: Place): string {
  const r = item.size;
  const shadow = `<g transform="translate(${n(x + 4)} ${n(y + 9)}) rotate(${n(turn)}) scale(${n(scale)})" fill="#120d0a" opacity=".42">${body(item, r)}</g>`;
  const fill = item.shape === "long" || item.shape === "banana" ? "along" : "body";
  const blush = item.blush === undefined ? "" : `<g fill="url(#blush)">${body(item, r)}</g>`;
  const shine =
    fill === "along"
      ? ""
      : `<g fill="url(#shine)" transform="rotate(${n(-turn)})"><circle r="${n(item.shape === "lemon" ? r * 0.78 : r * 0.94)}"/></g>`;
  return `${shadow}<g transform="translate(${n(x)} ${n(y)}) rotate(${n(turn)}) scale(${n(scale)})">
    <g fill="url(#${fill})">${body(item, r)}</g>${blush}${speckles(item, dice)}${crown(item, r)}${shine}</g>`;
}

function body({ shape }: Produce, r: number): string {
  switch (shape) {
    case "round":
      return `<path d="M0 ${n(-r * 0.93)}C${n(r * 0.62)} ${n(-r * 1.12)} ${n(r * 1.1)} ${n(-r * 0.5)} ${n(r)} ${n(r * 0.08)}C${n(r * 0.93)} ${n(r * 0.78)} ${n(r * 0.46)} ${n(r * 1.02)} 0 ${n(r * 0.96)}C${n(-r * 0.46)} ${n(r * 1.02)} ${n(-r * 0.93)} ${n(r * 0.78)} ${n(-r)} ${n(r * 0.08)}C${n(-r * 1.1)} ${n(-r * 0.5)} ${n(-r * 0.62)} ${n(-r * 1.12)} 0 ${n(-r * 0.93)}Z"/>`;
    case "lemon":
      return `<path d="M${n(-r * 1.2)} 0C${n(-r * 0.9)} ${n(-r * 0.7)} ${n(-r * 0.5)} ${n(-r * 0.86)} 0 ${n(-r * 0.86)}S${n(r * 0.9)} ${n(-r * 0.7)} ${n(r * 1.2)} 0C${n(r * 0.9)} ${n(r * 0.7)} ${n(r * 0.5)} ${n(r * 0.86)} 0 ${n(r * 0.86)}S${n(-r * 0.9)} ${n(r * 0.7)} ${n(-r * 1.2)} 0Z"/>`;
    case "pepper":
      return `<path d="M0 ${n(-r * 0.78)}C${n(r * 0.3)} ${n(-r)} ${n(r * 0.95)} ${n(-r * 0.95)} ${n(r * 0.92)} ${n(-r * 0.2)}C${n(r * 0.95)} ${n(r * 0.5)} ${n(r * 0.7)} ${n(r)} ${n(r * 0.4)} ${n(r * 0.95)}C${n(r * 0.25)} ${n(r * 0.85)} ${n(r * 0.15)} ${n(r * 0.9)} 0 ${n(r * 1.02)}C${n(-r * 0.15)} ${n(r * 0.9)} ${n(-r * 0.3)} ${n(r * 1.02)} ${n(-r * 0.45)} ${n(r * 0.93)}C${n(-r * 0.75)} ${n(r * 0.85)} ${n(-r * 0.95)} ${n(r * 0.5)} ${n(-r * 0.92)} ${n(-r * 0.2)}C${n(-r * 0.95)} ${n(-r * 0.95)} ${n(-r * 0.3)} ${n(-r)} 0 ${n(-r * 0.78)}Z"/>`;
    case "banana":
      return `<path d="M${n(-r)} ${n(-r * 0.26)}C${n(-r * 0.5)} ${n(r * 0.3)} ${n(r * 0.42)} ${n(r * 0.36)} ${n(r * 0.98)} ${n(-r * 0.3)}L${n(r * 1.06)} ${n(-r * 0.2)}C${n(r * 0.66)} ${n(r * 0.62)} ${n(-r * 0.56)} ${n(r * 0.72)} ${n(-r * 1.04)} ${n(-r * 0.14)}Z"/>`;
    case "long":
      return `<rect x="${n(-r * 5.6)}" y="${n(-r * 0.8)}" width="${n(r * 11.2)}" height="${n(r * 1.6)}" rx="${n(r * 0.8)}"/>`;
  }
}

function speckles(item: Produce, dice: Dice): string {
  if (item.speckles === undefined) return "";
  const isLong = item.shape === "long";
  const spots = Array.from({ length: isLong ? 26 : 22 }, () => {
    const [angle, far] = [dice.between(0, Math.PI * 2), Math.sqrt(dice.between(0, 0.7)) * item.size];
    const cx = isLong ? dice.between(-5, 5) * item.size : Math.cos(angle) * far;
    const cy = isLong ? dice.between(-0.6, 0.6) * item.size : Math.sin(angle) * far * 0.85;
    return `<circle cx="${n(cx)}" cy="${n(cy)}" r="${n(dice.between(0.6, 1.5))}"/>`;
  });
  return `<g fill="${item.speckles}" opacity=".55">${spots.join("")}</g>`;
}

function crown({ top, shape }: Produce, r: number): string {
  const y = n(-r * (shape === "pepper" ? 0.7 : 0.62));
  if (shape === "banana") {
    return `<path d="M${n(r * 0.98)} ${n(-r * 0.3)}l${n(r * 0.1)} ${n(-r * 0.1)} ${n(r * 0.07)} ${n(r * 0.1)}-${n(r * 0.09)} ${n(r * 0.1)}Z" fill="#6f5a1c"/><path d="M${n(-r)} ${n(-r * 0.26)}l-${n(r * 0.05)} ${n(r * 0.03)} 0 ${n(r * 0.09)}Z" fill="#4a3c14"/>`;
  }
  switch (top) {
    case "stem":
      return `<ellipse cx="0" cy="${y}" rx="${n(r * 0.26)}" ry="${n(r * 0.13)}" fill="#20180a" opacity=".38"/><path d="M0 ${y}q${n(r * 0.06)}-${n(r * 0.22)} ${n(r * 0.18)}-${n(r * 0.32)}" stroke="#5b4423" stroke-width="${n(r * 0.085)}" fill="none" stroke-linecap="round"/>`;
    case "leaf":
      return `<path d="M0 ${y}q${n(r * 0.36)}-${n(r * 0.42)} ${n(r * 0.82)}-${n(r * 0.12)}q-${n(r * 0.4)} ${n(r * 0.32)}-${n(r * 0.82)} ${n(r * 0.12)}Z" fill="#3f6a2a"/>`;
    case "star":
    case "vine": {
      const rays = [0, 72, 144, 216, 288].map(
        (angle) =>
          `<path transform="translate(0 ${y}) rotate(${angle})" d="M0 0q${n(r * 0.14)}-${n(r * 0.24)} 0-${n(r * 0.52)}q-${n(r * 0.14)} ${n(r * 0.28)} 0 ${n(r * 0.52)}Z" fill="#49702b"/>`,
      );
      return (
        rays.join("") +
        (top === "vine"
          ? `<path d="M${n(-r)} ${n(-r * 0.9)}Q0 ${n(-r * 0.5)} ${n(r)} ${n(-r * 0.95)}" stroke="#55793a" stroke-width="6" fill="none"/>`
          : "")
      );
    }
    case "navel":
      return `<circle cx="0" cy="${y}" r="${n(r * 0.07)}" fill="#7c4a0d" opacity=".7"/>`;
    default:
      return "";
  }
}

function crate(dice: Dice, side: number): string {
  const colour = dice.pick(["#6b5337", "#2f3b33", "#3a3a3d", "#54432f"]);
  const slats = [0, 1, 2, 3, 4].map(
    (row) => `<rect y="${row * 74}" width="${side}" height="62" fill="${colour}" opacity="${0.75 + (row % 2) * 0.2}"/>`,
  );
  return slats.join("");
}

function n(value: number): string {
  return value.toFixed(1);
}
