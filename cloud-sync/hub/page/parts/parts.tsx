import { type ComponentChildren, type JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../../review/page/icons.tsx";
import { agoText, timeText } from "../words.ts";
import { type Loaded, type LoadedPages } from "./loading.ts";

/** The head of a page. It gets the focus when the page opens, so that the keyboard and a screen reader begin here. */
export function PageHead(props: {
  readonly title: string;
  readonly about?: ComponentChildren;
  readonly children?: ComponentChildren;
}): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    document.title = `${props.title} · Holdpoint`;
    heading.current?.focus({ preventScroll: true });
  }, [props.title]);
  return (
    <header class="page-head">
      <div>
        <h1 ref={heading} tabIndex={-1}>
          {props.title}
        </h1>
        {props.about === undefined ? null : <p class="quiet">{props.about}</p>}
      </div>
      {props.children === undefined ? null : <div class="page-actions">{props.children}</div>}
    </header>
  );
}

/** What stands where a value is not there (yet): loading, refused, out of reach. Null where there is one. */
export function NotYet({ loaded }: { readonly loaded: Loaded<unknown> }): JSX.Element | null {
  const { refused, isOffline, value, reload } = loaded;
  const meanwhile = value === null ? "It is asked again." : "This is what was known last.";
  if (refused) {
    const isFault = refused.code === "HP_INTERNAL";
    return (
      <div class="note warn" role="alert">
        <p>
          <strong>{isFault ? `${refused.message}.` : refused.message}</strong>{" "}
          <span>{isFault ? meanwhile : refused.hint}</span>
        </p>
        {isFault ? <TryNow reload={reload} /> : null}
      </div>
    );
  }
  if (isOffline) {
    return (
      <div class="note warn" role="alert">
        <Icon name="wifiOff" />
        <p>The hub cannot be reached. {meanwhile}</p>
        <TryNow reload={reload} />
      </div>
    );
  }
  return value === null ? (
    <p class="quiet loading" role="status">
      Loading…
    </p>
  ) : null;
}

function TryNow({ reload }: Pick<Loaded<unknown>, "reload">): JSX.Element {
  return (
    <button type="button" class="plain" onClick={reload}>
      Try now
    </button>
  );
}

export type Tone = "good" | "warn" | "bad" | "";

export function Badge(props: { readonly tone?: Tone; readonly children: ComponentChildren }): JSX.Element {
  return <span class={`badge ${props.tone ?? ""}`}>{props.children}</span>;
}

/** A time as how long ago it is; the whole of it on demand. */
export function Ago({ atMs, nowMs }: { readonly atMs: number | null; readonly nowMs?: number }): JSX.Element {
  if (atMs === null) return <span class="quiet">never</span>;
  return (
    <time class="nowrap" dateTime={new Date(atMs).toISOString()} title={timeText(atMs)}>
      {agoText((nowMs ?? Date.now()) - atMs)}
    </time>
  );
}

export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="nothing">
      <p class="nothing-title">{title}</p>
      {children === undefined ? null : <p class="quiet">{children}</p>}
    </div>
  );
}

export function Stat(props: {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly tone?: Tone;
  readonly about?: ComponentChildren;
}): JSX.Element {
  return (
    <div class={`stat ${props.tone ?? ""}`}>
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
      {props.about === undefined ? null : <dd class="stat-about">{props.about}</dd>}
    </div>
  );
}

/** Something to keep: shown once, with a button that copies it. */
export function OnceShown({ name, text }: { readonly name: string; readonly text: string }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const copy = (): void => {
    // On plain HTTP there is no clipboard for pages; then the text is marked, for the browser's own copy.
    field.current?.select();
    const clipboard = (navigator as { readonly clipboard?: Clipboard }).clipboard;
    void clipboard?.writeText(text).then(() => setCopied(true));
  };
  return (
    <div class="once">
      <label class="field">
        <span>{name}</span>
        <input ref={field} readOnly value={text} />
      </label>
      <button type="button" class="plain" onClick={copy}>
        {isCopied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}

export function MoreButton({ loaded }: { readonly loaded: LoadedPages<unknown> }): JSX.Element | null {
  return loaded.more === null ? null : (
    <button type="button" class="plain" onClick={loaded.more}>
      Show more
    </button>
  );
}
