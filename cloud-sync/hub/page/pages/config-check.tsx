import { type JSX } from "preact";
import { type ConfigCheck } from "../api.web.ts";
import { plural } from "../words.ts";

export interface CheckProps {
  /** Null while the hub has not said. */
  readonly check: ConfigCheck | null;
  readonly isSame: boolean;
  readonly onLine: (line: number) => void;
}

/** What is wrong with a text, or what it would change where. */
export function CheckShown({ check, isSame, onLine }: CheckProps): JSX.Element {
  return (
    <section class="panel-card" aria-labelledby="check-title" aria-live="polite">
      <h2 id="check-title">{check?.ok === false ? plural(check.faults.length, "fault") : "Check"}</h2>
      {check === null ? <p class="quiet">Checking…</p> : null}
      {check?.ok === false ? (
        <ul class="faults">
          {check.faults.map(({ line, key, message, hint }, index) => (
            <li key={index}>
              <button type="button" class="plain small" onClick={() => onLine(line)}>
                Line {line}
              </button>
              <p>
                <strong class="mono">{key}</strong> {message.replace(/\.?$/, ".")} <span class="quiet">{hint}</span>
              </p>
            </li>
          ))}
        </ul>
      ) : null}
      {check?.ok === true ? <Locked locked={check.locked} onLine={onLine} /> : null}
      {check?.ok === true ? isSame ? <p class="quiet">This is what is in force.</p> : <Changes check={check} /> : null}
    </section>
  );
}

/** What a layer above keeps from counting: without a word a change of it would seem to do nothing. */
function Locked({ locked, onLine }: Pick<ConfigCheck, "locked"> & Pick<CheckProps, "onLine">): JSX.Element | null {
  if (locked.length === 0) return null;
  return (
    <ul class="faults">
      {locked.map(({ key, line, by, stores }) => (
        <li key={`${by} ${key}`}>
          <button type="button" class="plain small" onClick={() => onLine(line)}>
            Line {line}
          </button>
          <p>
            <strong class="mono">{key}</strong> counts nothing in {plural(stores, "store")}: the {by}’s layer has locked
            it.
          </p>
        </li>
      ))}
    </ul>
  );
}

/** What would be different in which stores. */
export function Changes({ check }: { readonly check: ConfigCheck }): JSX.Element {
  if (check.changes.length === 0) return <p class="quiet">No store that reports here would run anything else.</p>;
  return (
    <>
      {check.changes.map(({ stores, storesTotal, keys }, index) => (
        <div key={index} class="effect">
          <p>
            <strong>{plural(storesTotal, "store")}</strong>{" "}
            <span class="quiet">
              {stores.join(", ")}
              {storesTotal > stores.length ? " …" : ""}
            </span>
          </p>
          <dl>
            {keys.map(({ key, from, to }) => (
              <div key={key}>
                <dt class="mono">{key}</dt>
                <dd class="mono">
                  <del>{valueText(from)}</del> <span aria-hidden="true">→</span>
                  <span class="visually-hidden">becomes</span> <ins>{valueText(to)}</ins>
                </dd>
              </div>
            ))}
          </dl>
        </div>
      ))}
      {check.more > 0 ? (
        <p class="quiet">{plural(check.more, "further kind of change", "further kinds of change")}.</p>
      ) : null}
    </>
  );
}

function valueText(value: unknown): string {
  if (value === undefined) return "not set";
  return typeof value === "string" ? value : JSON.stringify(value);
}
