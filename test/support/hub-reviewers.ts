import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type HeldCases, type ReviewCase } from "../../protocol/index.ts";
import { type TestPerson } from "./hub-people.ts";

/** What a reviewer was given and what the hub took of them. */
export interface ReviewBook {
  /** Answers that the hub said it has taken, by the case's own name (`context.ref`). */
  readonly taken: Map<string, { readonly label: string; readonly by: string }>;
  /** Every lease that was handed out. */
  readonly given: { readonly ref: string; readonly slot: string; readonly generation: number; readonly by: string }[];
  /** Codes of answers that were refused. */
  readonly refused: Map<string, number>;
}

export function newReviewBook(): ReviewBook {
  return { taken: new Map(), given: [], refused: new Map() };
}

export interface ScriptedReviewer {
  readonly person: TestPerson;
  readonly labels: readonly string[];
  readonly random: () => number;
  readonly book: ReviewBook;
  readonly stop: AbortSignal;
  readonly thinkMs?: number;
}

/**
 * A reviewer over HTTP, as the page is one: takes the next case, answers it, says the same again where no answer came. A
 * hub that is gone is waited for.
 */
export async function reviewUntilStopped(options: ScriptedReviewer): Promise<void> {
  const { stop, thinkMs = 0, random } = options;
  while (!stop.aborted) {
    const held = await call<HeldCases>(options, "/v1/review/next", {});
    const cases = held.ok ? held.value.cases : [];
    for (const one of cases) {
      note(options, one);
      if (thinkMs > 0) await sleep(random() * 2 * thinkMs);
      await answer(options, one);
    }
    if (cases.length === 0) await sleep(100);
  }
}

function note({ book, person }: ScriptedReviewer, { id: slot, lease, context }: ReviewCase): void {
  const ref = String(context["ref"]);
  const generation = lease?.generation ?? 0;
  const isKnown = book.given.some((one) => one.slot === slot && one.generation === generation && one.by === person.id);
  if (!isKnown) book.given.push({ ref, slot, generation, by: person.id });
}

async function answer(options: ScriptedReviewer, { id, lease, context }: ReviewCase): Promise<void> {
  const { book, labels, random, stop, person } = options;
  const label = labels[Math.floor(random() * labels.length)] ?? "";
  const reviewId = randomUUID();
  const body = { answer: { kind: "label", label }, generation: lease?.generation ?? 0, reviewId, tookMs: 700 };
  while (!stop.aborted) {
    const done = await call(options, `/v1/review/cases/${id}/submit`, body);
    if (done.ok) {
      book.taken.set(String(context["ref"]), { label, by: person.id });
      return;
    }
    // Nobody knows whether it arrived: the same answer is sent once more.
    if (done.code === "gone" || done.code === "HP_DATABASE" || done.code === "HP_BUSY") {
      await sleep(100);
      continue;
    }
    book.refused.set(done.code, (book.refused.get(done.code) ?? 0) + 1);
    return;
  }
}

type Called<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: string };

async function call<T>({ person }: ScriptedReviewer, path: string, body: unknown): Promise<Called<T>> {
  try {
    const { status, json } = await person.browser.call("POST", path, body);
    if (status === 200) return { ok: true, value: json as T };
    const code = json["code"];
    return { ok: false, code: typeof code === "string" ? code : String(status) };
  } catch {
    await sleep(100);
    return { ok: false, code: "gone" };
  }
}
