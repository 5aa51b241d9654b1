/** Line breaks too: what came from elsewhere must not begin a line that looks like the program's own. */
const moving = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/**
 * Text from devices, files and reviewers as part of one line on a terminal. Characters that move the cursor, colour,
 * retitle the window or turn the direction of writing stand as their code points.
 *
 * @example plainText("a\u001b[31mb") // "a\\u{1b}[31mb"
 */
export function plainText(text: string): string {
  return text.replaceAll(moving, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
