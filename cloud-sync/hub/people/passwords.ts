import { HoldpointError } from "../../../protocol/index.ts";

/** Port: slow hashing of passwords. `password.node.ts` has it over scrypt. */
export interface Passwords {
  /** The text to keep. Errors: HP_BUSY (too many wait). */
  hash(password: string): Promise<string>;
  /** Costs the same whether there is a kept hash or not (null never fits). Errors: HP_BUSY. */
  fits(password: string, kept: string | null): Promise<boolean>;
}

const charactersMin = 12;
export const passwordCharactersMax = 256;

/** What guessers try first among the long ones. */
const common = ["password", "passwort", "qwertyuiop", "1234567890", "abcdefghij", "letmein", "iloveyou", "holdpoint"];

/**
 * Length decides, and what guessers try first is refused; no rules on kinds of characters (NIST SP 800-63B, 3.1.1.2).
 * Throws HP_SCHEMA with what to do about it.
 */
export function checkPassword(password: string, about: { readonly login: string; readonly name: string }): void {
  const refuse = (message: string): never => {
    throw new HoldpointError("HP_SCHEMA", `password: ${message}`, {
      hint: `Use at least ${charactersMin} characters; four words that belong to nothing are a good one.`,
    });
  };
  const plain = password.normalize("NFKC").toLowerCase();
  const length = charactersOf(plain);
  if (length < charactersMin) refuse(`needs at least ${charactersMin} characters`);
  if (length > passwordCharactersMax) refuse(`may have at most ${passwordCharactersMax} characters`);
  if (new Set(plain).size < 5) refuse("repeats the same few characters");
  let rest = plain;
  const own = `${about.login} ${about.name}`.toLowerCase().split(/[\s._@+-]+/);
  for (const known of [...common, ...own]) {
    if (known.length > 2) rest = rest.replaceAll(known, "");
  }
  if (charactersOf(rest) < charactersMin / 2) refuse("is one of those that are guessed first");
}

/** Code points: what a person takes for one character may be several, and that is in their favour. */
function charactersOf(text: string): number {
  return Array.from(text).length;
}
