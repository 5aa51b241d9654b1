import { type JSX } from "preact";
import { Badge } from "../parts/parts.tsx";
import { type Webhook } from "../settings-api.web.ts";
import { plural } from "../words.ts";

export function storesText(stores: Webhook["stores"]): JSX.Element | string {
  return stores === null ? <span class="quiet">every store</span> : stores.join(", ");
}

/** Whether it is told, and what has not reached it. */
export function WebhookState({ webhook: { off, waiting, dead } }: { readonly webhook: Webhook }): JSX.Element {
  return (
    <>
      {off === null ? <Badge tone="good">on</Badge> : <Badge tone="bad">off: it wants no more</Badge>}
      {waiting > 0 ? <Badge>{`${waiting} waiting`}</Badge> : null}
      {dead > 0 ? <Badge tone="bad">{plural(dead, "dead letter")}</Badge> : null}
    </>
  );
}
