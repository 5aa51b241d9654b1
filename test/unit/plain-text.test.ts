import { expect, test } from "vitest";
import { groupName } from "../../edge-agent/cli/gate/wording.ts";
import { plainText } from "../../edge-agent/plain-text.ts";

test("what would move, colour or turn a terminal's text stands as its code point, and begins no line", () => {
  expect(plainText("a\u001b[31mb\u0007\r\nc\u0085")).toBe("a\\u{1b}[31mb\\u{7}\\u{d}\\u{a}c\\u{85}");
  expect(plainText("\u202Egnirts\u2066x\u2028y")).toBe("\\u{202e}gnirts\\u{2066}x\\u{2028}y");
});

test("every other text stays as it is", () => {
  for (const text of ["", "Gang ü 7 🍌", "می\u200cخواهم", "<script>\\"]) expect(plainText(text)).toBe(text);
});

test("a group of a file of scores is one line, whatever its name is", () => {
  expect(groupName({ store: "b\nall rows: gate threshold 0.1" })).toBe("store=b\\u{a}all rows: gate threshold 0.1");
});
