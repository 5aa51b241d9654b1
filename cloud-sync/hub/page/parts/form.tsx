import { type ComponentChildren, type JSX } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

/** Fields of the forms. What is wrong stands below the field and is read with it. */

export interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly about?: string;
  readonly problem?: string | null;
  readonly type?: "text" | "password";
  /** Which keyboard a tablet shows. */
  readonly inputMode?: "text" | "decimal" | "url";
  readonly autoComplete?: "username" | "current-password" | "new-password" | "off";
  readonly isRequired?: boolean;
  readonly maxLength?: number;
  readonly autoFocus?: boolean;
}

export function TextField(props: TextFieldProps): JSX.Element {
  const id = useId();
  const { problem = null, about } = props;
  const input = useRef<HTMLInputElement>(null);
  // What is wrong is told where it was typed, to whoever only hears the page as well.
  useLayoutEffect(() => {
    if (problem !== null) input.current?.focus();
  }, [problem]);
  const shared = {
    id,
    ref: input,
    inputMode: props.inputMode ?? "text",
    value: props.value,
    autoComplete: props.autoComplete ?? "off",
    spellcheck: false,
    required: props.isRequired ?? false,
    maxLength: props.maxLength ?? 200,
    autoFocus: props.autoFocus ?? false,
    "aria-invalid": problem !== null,
    "aria-describedby": `${id}-about`,
    onInput: (event: { readonly currentTarget: HTMLInputElement }) => props.onValue(event.currentTarget.value),
  };
  return (
    <div class="field">
      <label for={id}>
        <span>{props.label}</span>
      </label>
      {props.type === "password" ? <input type="password" {...shared} /> : <input type="text" {...shared} />}
      <p id={`${id}-about`} class={problem === null ? "field-about" : "field-about problem"}>
        {problem ?? about}
      </p>
    </div>
  );
}

export interface SelectFieldProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly onValue: (value: string) => void;
  readonly about?: string;
  /** In a bar of filters the label is for screen readers only. */
  readonly isBare?: boolean;
}

export function SelectField(props: SelectFieldProps): JSX.Element {
  const id = useId();
  return (
    <div class={props.isBare === true ? "pick" : "field"}>
      <label for={id} class={props.isBare === true ? "visually-hidden" : ""}>
        <span>{props.label}</span>
      </label>
      <select
        id={id}
        value={props.value}
        {...(props.about === undefined ? {} : { "aria-describedby": `${id}-about` })}
        onChange={(event) => props.onValue(event.currentTarget.value)}
      >
        {props.options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      {props.about === undefined ? null : (
        <p id={`${id}-about`} class="field-about">
          {props.about}
        </p>
      )}
    </div>
  );
}

export function CheckList<T extends string>(props: {
  readonly label: string;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly chosen: readonly T[];
  readonly onChosen: (chosen: readonly T[]) => void;
  readonly problem?: string | null;
}): JSX.Element {
  const { chosen, problem = null } = props;
  const id = useId();
  return (
    <fieldset class="checks" {...(problem === null ? {} : { "aria-describedby": id })}>
      <legend>{props.label}</legend>
      {problem === null ? null : (
        <p id={id} class="field-about problem" role="alert">
          {problem}
        </p>
      )}
      {props.options.map(([value, text]) => (
        <label key={value} class="check">
          <input
            type="checkbox"
            checked={chosen.includes(value)}
            onChange={(event) =>
              props.onChosen(
                event.currentTarget.checked ? [...chosen, value] : chosen.filter((other) => other !== value),
              )
            }
          />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** One of a few, all of them in sight. */
export function ChoiceList<T extends string>(props: {
  readonly label: string;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly value: T;
  readonly onValue: (value: T) => void;
}): JSX.Element {
  const name = useId();
  return (
    <fieldset class="checks">
      <legend>{props.label}</legend>
      {props.options.map(([value, text]) => (
        <label key={value} class="check">
          <input type="radio" name={name} checked={value === props.value} onChange={() => props.onValue(value)} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** "a, b" ⇄ ["a", "b"]; blank is null: every one. */
export function scopeOf(text: string): string[] | null {
  const names = namesOf(text);
  return names.length === 0 ? null : names;
}

export function namesOf(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

export function Form(props: {
  readonly onSubmit: () => void;
  readonly problem: string | null;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <form
      class="form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        props.onSubmit();
      }}
    >
      {props.children}
      <p class="problem" role="alert">
        {props.problem}
      </p>
    </form>
  );
}
