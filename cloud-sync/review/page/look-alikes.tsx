import { type JSX } from "preact";
import type { ReviewCase } from "../../../protocol/index.ts";
import { type LookAlike } from "./state.ts";
import { labelText } from "./wording.ts";

export interface LookAlikesProps {
  readonly held: ReviewCase;
  /** Undefined while they load. */
  readonly lookAlikes: readonly LookAlike[] | undefined;
}

const lookAlikesShownMax = 5;
const picturesShownMax = 3;

/** What people have confirmed each of the likely answers to look like, to hold beside the case. */
export function LookAlikes({ held, lookAlikes }: LookAlikesProps): JSX.Element | null {
  // The room is kept while they load, so that the picture does not jump.
  const shown = lookAlikes?.filter(({ pictures }) => pictures.length > 0).slice(0, lookAlikesShownMax);
  if (held.suggestions.length === 0 || shown?.length === 0) return null;
  return (
    <aside class="look-alikes" aria-label="Confirmed pictures of the likely answers" data-testid="look-alikes">
      {shown?.map(({ label, pictures }) => (
        <figure key={label} class="look-alike">
          <figcaption>
            <DigitOf label={label} held={held} />
            <span>{labelText(label)}</span>
          </figcaption>
          <div class="look-alike-pictures">
            {pictures.slice(0, picturesShownMax).map(({ caseId, url }) => (
              <img key={caseId} src={url} alt={`A confirmed ${labelText(label)}`} draggable={false} />
            ))}
          </div>
        </figure>
      ))}
    </aside>
  );
}

function DigitOf({ label, held }: { readonly label: string; readonly held: ReviewCase }): JSX.Element | null {
  const index = held.suggestions.findIndex((suggestion) => suggestion.label === label);
  return index < 0 || index > 8 ? null : <kbd aria-hidden="true">{index + 1}</kbd>;
}
