import { describe, expect, it } from "vitest";
import { editLayer, parseLayer } from "../../config/index.ts";

describe("editing one key of a layer", () => {
  const cart = ["thresholds", "cart"];

  it("puts a key, and leaves comments and the other keys as they were written", () => {
    const text = "# the north\nthresholds:\n  cart: 0.9 # guessed\n  shelf: 0.8\n";
    const edited = editLayer(text, cart, { max_error: 0.01, delta: 0.05 });
    expect(edited).toContain("# the north");
    expect(edited).toContain("shelf: 0.8");
    expect(edited).toContain("cart: { max_error: 0.01, delta: 0.05 }");
    expect(parseLayer(edited ?? "", "x").ok).toBe(true);
  });

  it("makes what is not there yet, in an empty text too", () => {
    expect(editLayer("", cart, 0.9)).toBe("thresholds:\n  cart: 0.9\n");
    expect(parseLayer(editLayer("tasks: { cart: { audit_share: 0.1 } }\n", cart, 0.9) ?? "", "x").ok).toBe(true);
  });

  it("takes a key out", () => {
    const edited = editLayer("thresholds:\n  cart: 0.9\n  shelf: 0.8\n", cart, undefined);
    expect(edited).toBe("thresholds:\n  shelf: 0.8\n");
    expect(editLayer("thresholds:\n  shelf: 0.8\n", cart, undefined)).toBe("thresholds:\n  shelf: 0.8\n");
  });

  it("leaves alone what is no YAML, and what is written another way on the way to the key", () => {
    expect(editLayer("thresholds: [", cart, 0.9)).toBeNull();
    expect(editLayer("thresholds: 3\n", cart, 0.9)).toBeNull();
    expect(editLayer("a: &t { shelf: 0.8 }\nthresholds: *t\n", cart, 0.9)).toBeNull();
  });
});
