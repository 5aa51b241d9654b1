/**
 * Capital letters as strokes on a grid of 4 × 6, so that a carton's text looks the same on a box without any fonts.
 * Each letter is a row of strokes; each stroke a row of points, x then y.
 */
const strokes: Readonly<Record<string, string>> = {
  A: "06 20 46|14 34",
  B: "06 00 30 41 42 33 03|33 44 45 36 06",
  C: "41 30 10 01 05 16 36 45",
  D: "00 06 26 44 42 20 00",
  E: "40 00 06 46|03 33",
  F: "40 00 06|03 33",
  G: "41 30 10 01 05 16 36 45 43 23",
  H: "00 06|40 46|03 43",
  I: "20 26",
  J: "30 35 26 16 05",
  K: "00 06|40 03 46",
  L: "00 06 46",
  M: "06 00 23 40 46",
  N: "06 00 46 40",
  O: "10 30 41 45 36 16 05 01 10",
  P: "06 00 30 41 42 33 03",
  R: "06 00 30 41 42 33 03|23 46",
  S: "41 30 10 01 02 13 33 44 45 36 16 05",
  T: "00 40|20 26",
  U: "00 05 16 36 45 40",
  V: "00 26 40",
  W: "00 16 22 36 40",
  Y: "00 23 40|23 26",
  Z: "00 40 06 46",
};

const advance = 5.4;

/** A line of text as an SVG path to be stroked, centred on (x, y), fitted into `width`, at most `height` tall. */
export function drawLetters(text: string, x: number, y: number, width: number, height: number): string {
  const scale = Math.min(height / 6, width / (text.length * advance - 1.4));
  const left = x - ((text.length * advance - 1.4) * scale) / 2;
  const letters = Array.from(text, (letter, index) =>
    letterPath(letter, left + index * advance * scale, y - 3 * scale, scale),
  );
  return `<path d="${letters.join("")}" stroke-width="${fixed(scale)}"/>`;
}

function letterPath(letter: string, left: number, top: number, scale: number): string {
  const path = strokes[letter] ?? "";
  return path
    .split("|")
    .filter((stroke) => stroke !== "")
    .map((stroke) => {
      const points = stroke.split(" ").map((point) => [point.slice(0, 1), point.slice(1)] as const);
      return `M${points.map(([px, py]) => `${fixed(left + Number(px) * scale)} ${fixed(top + Number(py) * scale)}`).join("L")}`;
    })
    .join("");
}

function fixed(value: number): string {
  return value.toFixed(1);
}
