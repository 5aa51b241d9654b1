import { type JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { config, type ConfigKey } from "../api.web.ts";
import { Form, TextField } from "../parts/form.tsx";
import { useLoaded } from "../parts/loading.ts";
import { typedKey, withKey } from "../yaml-key.ts";

export interface KeyFormProps {
  readonly text: string;
  readonly onText: (text: string) => void;
}

/** Every key that the schema knows, to be set without knowing YAML. Lists are for the text. */
export function KeyForm({ text, onText }: KeyFormProps): JSX.Element {
  const loaded = useLoaded("config schema", config.schema);
  const [name, setName] = useState("");
  const [places, setPlaces] = useState<Readonly<Record<string, string>>>({});
  const [value, setValue] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const listId = useId();
  const keys = (loaded.value?.keys ?? []).filter(({ key }) => !key.includes("[]"));
  const found = typedKey(keys, name.trim());
  const set = (): void => {
    const filled = found ? pathOf(found.key.key, { ...places, ...found.places }) : null;
    const changed = filled === null || value.trim() === "" ? null : withKey(text, filled, value.trim());
    if (changed !== null) onText(changed);
    setProblem(
      changed === null
        ? "Choose a key and fill every field; or this part is written in a way that only the text shows."
        : null,
    );
  };
  return (
    <section class="panel-card" aria-labelledby="key-title">
      <h2 id="key-title">Set a key</h2>
      <Form onSubmit={set} problem={problem}>
        <div class="field">
          <label for={`${listId}-key`}>
            <span>Key</span>
          </label>
          <input
            id={`${listId}-key`}
            type="text"
            list={listId}
            value={name}
            autoComplete="off"
            spellcheck={false}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <datalist id={listId}>
            {keys.map(({ key, description }) => (
              <option key={key} value={key}>
                {description}
              </option>
            ))}
          </datalist>
        </div>
        {found ? (
          <Chosen {...{ chosen: found.key, typed: found.places, places, setPlaces, value, setValue }} />
        ) : name.trim() === "" || loaded.value === null ? null : (
          <p class="quiet">No key is called that; the list has every one.</p>
        )}
        <button type="submit" class="plain" disabled={found === null}>
          Set it in the text
        </button>
      </Form>
    </section>
  );
}

function Chosen(props: {
  readonly chosen: ConfigKey;
  /** Names that stand in the key as it was typed: nobody is asked for them again. */
  readonly typed: Readonly<Record<string, string>>;
  readonly places: Readonly<Record<string, string>>;
  readonly setPlaces: (places: Readonly<Record<string, string>>) => void;
  readonly value: string;
  readonly setValue: (value: string) => void;
}): JSX.Element {
  const { chosen, typed, places, setPlaces, value, setValue } = props;
  const asked = placesOf(chosen.key).filter((place) => typed[place] === undefined);
  return (
    <>
      <p class="quiet">
        {chosen.description} {chosen.default === "" ? "" : `Without it: ${chosen.default}.`}
      </p>
      {asked.map((place) => (
        <TextField
          key={place}
          label={place === "<task>" ? "Task" : "Name"}
          value={places[place] ?? ""}
          onValue={(given) => setPlaces({ ...places, [place]: given })}
        />
      ))}
      <TextField label="Value" about={chosen.kind} value={value} onValue={setValue} maxLength={1000} />
    </>
  );
}

function placesOf(key: string): readonly string[] {
  return key.split(".").filter((part) => part.startsWith("<"));
}

/** The path with names in the places; null where one is missing. */
function pathOf(key: string, places: Readonly<Record<string, string>>): readonly string[] | null {
  const path = key.split(".").map((part) => (part.startsWith("<") ? (places[part] ?? "").trim() : part));
  return path.includes("") ? null : path;
}
