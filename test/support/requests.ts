import { seededDraw } from "../../models/measure/seeded-draw.ts";
import { newId, type Clock, type DecisionRequest, type Input, type Random } from "../../protocol/index.ts";

/** A clock that tests move by hand. */
export function fakeClock(wallMs = 1_795_000_000_000): Clock & { advance(ms: number): void; jump(ms: number): void } {
  let wall = wallMs;
  let monotonic = 0;
  return {
    wallMs: () => wall,
    monotonicMs: () => monotonic,
    advance: (ms) => {
      wall += ms;
      monotonic += ms;
    },
    jump: (ms) => {
      wall += ms;
    },
  };
}

/** Repeatable randomness: the same seed, the same run. */
export function seededRandom(seed: number): Random {
  const uniform = seededDraw(seed);
  return { uniform, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(uniform() * 256)) };
}

export const idClock = fakeClock();
export const idRandom = seededRandom(7);

export const tinyInput: Input = { kind: "tensor", dtype: "float32", shape: [1, 2], data: new Uint8Array(8) };

export function requestOf(overrides: Partial<DecisionRequest> = {}): DecisionRequest {
  return {
    v: 1,
    id: newId(idClock, idRandom),
    task: "product_identification",
    at: 1_795_000_000_000,
    input: tinyInput,
    ...overrides,
  };
}
