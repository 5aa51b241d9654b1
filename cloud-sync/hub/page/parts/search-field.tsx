import { type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { TextField } from "./form.tsx";

const settleMs = 250;

/** A search that tells what was typed when the typing rests; `/` leads to it from anywhere on the page. */
export function SearchField(props: {
  readonly label: string;
  readonly value: string;
  readonly onSettled: (value: string) => void;
}): JSX.Element {
  const [typed, setTyped] = useState(props.value);
  useEffect(() => {
    if (typed === props.value) return;
    const waiting = setTimeout(() => props.onSettled(typed), settleMs);
    return () => clearTimeout(waiting);
  }, [typed]);
  return (
    <div data-search>
      <TextField label={props.label} value={typed} onValue={setTyped} maxLength={64} />
    </div>
  );
}
