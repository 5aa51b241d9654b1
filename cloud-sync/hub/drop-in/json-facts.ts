import {
  decodeMessage,
  fromBase64,
  HoldpointError,
  limits,
  pictureInput,
  reviewLimits,
  type ReviewCase,
} from "../../../protocol/index.ts";
import { importPicture, type ImportPicture } from "../cases/import-case.ts";

/** Any JSON, as a reviewer can be shown it: its members as facts, and the first picture that is written in it. */
export interface JsonFacts {
  readonly facts: ReviewCase["facts"];
  readonly picture: ImportPicture | null;
}

/** A body that is a map, within the protocol's bounds. Errors: HP_SCHEMA, HP_ENCODING. */
export function jsonOf(body: Uint8Array): unknown {
  const decoded = decodeMessage(body);
  if (!decoded.ok) throw decoded.error;
  return decoded.value.value;
}

/** Parses any JSON value within the protocol's bounds (depth, keys that stand twice). Errors: HP_SCHEMA, HP_ENCODING. */
export function anyJson(text: string): unknown {
  const decoded = decodeMessage(new TextEncoder().encode(`{"v":${text}\n}`));
  if (!decoded.ok) throw decoded.error;
  const whole = decoded.value.value as Readonly<Record<string, unknown>>;
  // Text that closes the object around it and opens another is no JSON by itself.
  if (Object.keys(whole).length !== 1) throw new HoldpointError("HP_ENCODING", "the text is not valid JSON");
  return whole["v"];
}

const pictureUrl = /^data:image\/(jpeg|png|webp);base64,/;

export function jsonFacts(value: unknown): JsonFacts {
  const facts: { name: string; value: string }[] = [];
  let picture: ImportPicture | null = null;
  let further = 0;
  const visit = (name: string, item: unknown): void => {
    if (typeof item === "object" && item !== null) {
      for (const [key, part] of Object.entries(item)) visit(name === "" ? key : `${name}.${key}`, part);
    } else if (typeof item === "string" && pictureUrl.test(item)) {
      picture ??= pictureOf(item);
    } else if (facts.length < reviewLimits.factsMax - 1) {
      facts.push({
        name: cut(name === "" ? "value" : name),
        value: cut(typeof item === "string" ? item : JSON.stringify(item ?? "–")) || "–",
      });
    } else {
      further += 1;
    }
  };
  visit("", value);
  if (further > 0) facts.push({ name: "not shown", value: `${further} further values` });
  return { facts, picture };
}

/** A data URL's picture. Errors: HP_PICTURE. */
function pictureOf(dataUrl: string): ImportPicture | null {
  try {
    return importPicture(pictureInput(fromBase64(dataUrl.slice(dataUrl.indexOf(",") + 1))));
  } catch (cause) {
    if (cause instanceof HoldpointError) throw cause;
    throw new HoldpointError("HP_PICTURE", "the picture is not base64", { cause });
  }
}

export function isPictureUrl(text: string): boolean {
  return pictureUrl.test(text);
}

function cut(text: string): string {
  return text.length <= limits.textCharsMax ? text : `${text.slice(0, limits.textCharsMax - 1)}…`;
}
