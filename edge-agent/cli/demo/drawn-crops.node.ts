import { rasterise } from "../../../models/features/decode.node.ts";
import { HoldpointError } from "../../../protocol/index.ts";
import { cartons, drawCarton } from "./drawn-cartons.ts";
import { drawProduce, produce } from "./drawn-produce.ts";
import { createDice, type Dice } from "./drawn-random.ts";

/** Side of a crop in pixels: that of the pictures that the shipped model was measured on. */
const side = 348;

/**
 * Draws a shelf crop: fruit in a crate, or a carton on a shelf, schematic and unmistakably drawn. The same seed gives
 * the same crop. Errors: HP_RUNTIME_MISSING where sharp is not installed.
 */
export async function drawShelfCrop(seed: number): Promise<{ readonly jpeg: Uint8Array; readonly label: string }> {
  const dice = createDice(Math.imul(seed, 0x9e37_79b1));
  const isProduce = dice.between(0, 1) < produce.length / (produce.length + cartons.length);
  const fruit = dice.pick(produce);
  const carton = dice.pick(cartons);
  const scene = isProduce ? drawProduce(fruit, dice, side) : drawCarton(carton, dice, side);
  const jpeg = await rasterise(frame(scene, dice), { encoding: "jpeg", quality: 84 });
  if (!jpeg.ok) throw new HoldpointError(jpeg.error.code, "the demo cannot draw its pictures", { cause: jpeg.error });
  return { jpeg: jpeg.value, label: isProduce ? fruit.label : carton.label };
}

/** What a shelf camera adds: a hand's turn, uneven light, a darker rim. */
function frame(scene: string, dice: Dice): string {
  const turn = dice.between(-3.5, 3.5).toFixed(2);
  const zoom = dice.between(1.07, 1.16).toFixed(3);
  const dim = dice.between(0, 0.28).toFixed(2);
  const warm = dice.pick(["#ffedd0", "#eaf3ff", "#ffffff"]);
  const centre = side / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}" viewBox="0 0 ${side} ${side}">
    <g transform="translate(${centre} ${centre}) rotate(${turn}) scale(${zoom}) translate(${-centre} ${-centre})">${scene}</g>
    <defs><radialGradient id="rim" cx="50%" cy="44%" r="76%">
      <stop offset=".55" stop-color="#000" stop-opacity="0"/><stop offset="1" stop-color="#000" stop-opacity=".5"/>
    </radialGradient></defs>
    <rect width="${side}" height="${side}" fill="${warm}" opacity=".07"/>
    <rect width="${side}" height="${side}" fill="#000" opacity="${dim}"/>
    <rect width="${side}" height="${side}" fill="url(#rim)"/>
  </svg>`;
}
