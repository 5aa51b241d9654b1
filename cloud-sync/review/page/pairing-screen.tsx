import { type JSX } from "preact";
import { useRef } from "preact/hooks";
import { Mark } from "./icons.tsx";
import { type PageEvent, type PageState } from "./state.ts";

export interface PairingProps {
  readonly pairing: PageState["pairing"];
  readonly rememberedName: string;
  readonly dispatch: (event: PageEvent) => void;
}

export function PairingScreen({ pairing, rememberedName, dispatch }: PairingProps): JSX.Element {
  const pin = useRef<HTMLInputElement>(null);
  const name = useRef<HTMLInputElement>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    dispatch({ kind: "pairPressed", pin: pin.current?.value ?? "", name: name.current?.value ?? "" });
  };
  return (
    <main class="centre">
      <form class="card pairing" onSubmit={submit} noValidate>
        <Mark size={44} />
        <h1>Pair this device</h1>
        <p class="quiet">
          Type the PIN that is shown on the store’s box, and the name under which your answers are kept.
        </p>
        <label class="field">
          <span>PIN</span>
          <input
            ref={pin}
            class="pin"
            name="pin"
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={7}
            placeholder="••••••"
            required
            autoFocus
            aria-describedby="pairing-problem"
            aria-invalid={pairing.problem !== null}
          />
        </label>
        <label class="field">
          <span>Your name</span>
          <input ref={name} name="name" autoComplete="name" maxLength={60} required defaultValue={rememberedName} />
        </label>
        <p id="pairing-problem" class="problem" role="alert">
          {pairing.problem}
        </p>
        <button class="primary" type="submit" disabled={pairing.isBusy}>
          {pairing.isBusy ? "Pairing…" : "Start reviewing"}
        </button>
      </form>
    </main>
  );
}
