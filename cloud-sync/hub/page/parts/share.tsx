import { type JSX } from "preact";
import { percentText } from "../../../review/page/wording.ts";

/** A share as a number and as a bar; the number says it all. */
export function Share({ share }: { readonly share: number }): JSX.Element {
  return (
    <span class="share">
      <span>{percentText(share)}</span>
      <span class="share-bar" aria-hidden="true">
        <i style={{ width: `${share * 100}%` }} />
      </span>
    </span>
  );
}
