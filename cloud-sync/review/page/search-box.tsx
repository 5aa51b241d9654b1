import { type JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { ReviewCase } from "../../../protocol/index.ts";
import { Icon } from "./icons.tsx";
import { foundLabels } from "./state-machine.ts";
import { type PageEvent, type PageState } from "./state.ts";
import { labelText } from "./wording.ts";

export interface SearchProps {
  readonly state: PageState;
  readonly held: ReviewCase;
  readonly dispatch: (event: PageEvent) => void;
}

/** A combobox (ARIA APG) over the labels of the task. */
export function SearchBox({ state, held, dispatch }: SearchProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const { isOpen, query, selected } = state.search;
  // Before the next key comes: the whole word must land in the box.
  useLayoutEffect(() => {
    if (isOpen) input.current?.focus();
    else input.current?.blur();
  }, [isOpen]);
  const labels = state.labels[held.task];
  const found = isOpen ? foundLabels(state) : [];
  return (
    <div class={isOpen ? "search open" : "search"}>
      <Icon name="search" size={18} />
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Search all answers"
        aria-expanded={isOpen}
        aria-controls="search-list"
        aria-autocomplete="list"
        {...(found.length > 0 ? { "aria-activedescendant": `search-${selected}` } : {})}
        autoComplete="off"
        spellcheck={false}
        placeholder={placeholder(labels)}
        value={isOpen ? query : ""}
        onFocus={() => !isOpen && dispatch({ kind: "searchOpened", query: "" })}
        onInput={(event) => dispatch({ kind: "searchTyped", query: event.currentTarget.value })}
        onBlur={() => isOpen && dispatch({ kind: "searchClosed" })}
      />
      <kbd>{isOpen ? "Esc" : "/"}</kbd>
      <ul id="search-list" class="search-list" role="listbox" aria-label="Answers" hidden={!isOpen}>
        {found.map((label, index) => (
          <li
            key={label}
            id={`search-${index}`}
            role="option"
            aria-selected={index === selected}
            // Before the input loses its focus and the list goes away.
            onPointerDown={(event) => {
              event.preventDefault();
              dispatch({ kind: "answerPressed", answer: { kind: "label", label } });
            }}
          >
            {labelText(label)}
          </li>
        ))}
        {found.length === 0 ? <NothingFound query={query} isFree={labels?.length === 0} /> : null}
      </ul>
    </div>
  );
}

function NothingFound({ query, isFree }: { readonly query: string; readonly isFree: boolean }): JSX.Element {
  const text = isFree
    ? `Enter answers “${query}”`
    : query === ""
      ? "Loading the list…"
      : `Nothing is called “${query}”. “Cannot tell” is an answer too.`;
  return (
    <li class="search-empty" role="option" aria-selected={false} aria-disabled="true">
      {text}
    </li>
  );
}

function placeholder(labels: readonly string[] | undefined): string {
  return labels && labels.length > 0 ? `Search all ${labels.length} answers` : "Search or type an answer";
}
