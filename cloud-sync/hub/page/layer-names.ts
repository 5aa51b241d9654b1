import type { Layer } from "./api.web.ts";
import { addressOf } from "./router.ts";

/** How a layer is called and where it is shown. */
export interface LayerName {
  readonly layer: Layer;
  /** A region's or a store's name; `-` for the fleet. */
  readonly scope: string;
}

export function layerTitle({ layer, scope }: LayerName): string {
  return layer === "fleet" ? "Whole fleet" : layer === "region" ? `Region ${scope}` : `Store ${scope}`;
}

export function layerAddress({ layer, scope }: LayerName): string {
  return addressOf("config", null, { layer, scope: layer === "fleet" ? null : scope });
}
