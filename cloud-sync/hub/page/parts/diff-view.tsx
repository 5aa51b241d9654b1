import { type JSX } from "preact";
import { diffLines, type DiffLine } from "../line-diff.ts";

const marks: Readonly<Record<DiffLine["kind"], string>> = { same: " ", added: "+", removed: "−", skipped: "" };
const spoken: Readonly<Record<DiffLine["kind"], string>> = {
  same: "",
  added: "Added: ",
  removed: "Removed: ",
  skipped: "",
};

/** Two texts as what is added and what is taken away; told by a sign as well as by colour. */
export function DiffView({ before, after }: { readonly before: string; readonly after: string }): JSX.Element {
  if (before === after) return <p class="quiet">Nothing is different.</p>;
  return (
    <div class="diff" tabIndex={0} role="region" aria-label="What changes">
      {diffLines(before, after).map(({ kind, text }, index) => (
        <div key={index} class={`diff-line ${kind}`}>
          {kind === "skipped" ? (
            <span class="quiet">{text} lines that are the same</span>
          ) : (
            <>
              <span class="diff-mark" aria-hidden="true">
                {marks[kind]}
              </span>
              <span class="visually-hidden">{spoken[kind]}</span>
              <code>{text === "" ? " " : text}</code>
            </>
          )}
        </div>
      ))}
    </div>
  );
}
