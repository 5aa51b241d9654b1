import type { CurvePoint } from "./risk-coverage.ts";

const labelsMax = 1_000_000;

/**
 * How many further labels it would take before `certifies` holds, if the curve kept its shape: every point of the grid
 * accepts the same share of the labels at the same observed risk, rounded against us. An estimate, not a promise; null
 * if a million labels of this shape would not do.
 */
export function labelsMissing(
  grid: readonly CurvePoint[],
  labels: number,
  certifies: (grid: readonly CurvePoint[], labels: number) => boolean,
): number | null {
  const enough = (total: number): boolean => certifies(scaled(grid, total / labels), total);
  let few = labels;
  let many = labels + 1;
  while (!enough(many)) {
    if (many >= labelsMax) return null;
    few = many;
    many *= 2;
  }
  while (many - few > 1) {
    const between = Math.floor((few + many) / 2);
    if (enough(between)) many = between;
    else few = between;
  }
  return many - labels;
}

function scaled(grid: readonly CurvePoint[], factor: number): readonly CurvePoint[] {
  return grid.map(({ gateThreshold, accepted, errors }) => {
    // A hair less than the product before rounding down would lose a whole item to the floating point.
    const items = Math.floor(accepted * factor + 1e-9);
    return { gateThreshold, accepted: items, errors: Math.min(items, Math.ceil(errors * factor - 1e-9)) };
  });
}
