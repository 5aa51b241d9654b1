import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { useLoaded } from "../parts/loading.ts";
import { Modal } from "../parts/modal.tsx";
import { Ago, Empty, NotYet, OnceShown, PageHead } from "../parts/parts.tsx";
import { webhooks, type Webhook } from "../settings-api.web.ts";
import { sectionAddress } from "../settings-sections.ts";
import { useSite } from "../site.ts";
import { SettingsNav } from "./settings-nav.tsx";
import { WebhookForm } from "./webhook-form.tsx";
import { WebhookPage } from "./webhook-page.tsx";
import { storesText, WebhookState } from "./webhook-state.tsx";

const everyMs = 10_000;

/** Programs that the hub tells what happens; `?webhook=` is one of them. */
export function WebhookSettings(): JSX.Element {
  const { place } = useSite();
  const id = place.query.get("webhook");
  return id === null ? <WebhookList /> : <WebhookPage key={id} id={id} />;
}

function WebhookList(): JSX.Element {
  const loaded = useLoaded("webhooks", webhooks.list, everyMs);
  const [isOpen, setOpen] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const items = loaded.value?.items ?? null;
  return (
    <main id="main" class="page">
      <PageHead title="Webhooks" about="Programs of yours that the hub tells what happens.">
        <button type="button" class="primary small" onClick={() => setOpen(true)}>
          New webhook
        </button>
      </PageHead>
      <SettingsNav />
      <NotYet loaded={loaded} />
      {items?.length === 0 ? (
        <Empty title="No program is told anything.">A webhook sends each event to an https address, signed.</Empty>
      ) : null}
      {items !== null && items.length > 0 ? (
        <DataTable
          {...{ caption: "Webhooks", columns, rows: items }}
          keyOf={({ id }) => id}
          addressOf={({ id }) => sectionAddress("webhooks", { webhook: id })}
        />
      ) : null}
      {isOpen ? (
        <WebhookForm
          onClose={() => setOpen(false)}
          onMade={(made) => {
            setOpen(false);
            setSecret(made);
            loaded.reload();
          }}
        />
      ) : null}
      {secret === null ? null : <SecretShown secret={secret} onClose={() => setSecret(null)} />}
    </main>
  );
}

const columns: readonly Column<Webhook>[] = [
  { name: "Address", cell: ({ url }) => <span class="address">{url}</span> },
  { name: "Events", cell: ({ events }) => events.length, isNumber: true },
  { name: "Stores", cell: ({ stores }) => storesText(stores) },
  { name: "State", cell: (webhook) => <WebhookState webhook={webhook} /> },
  { name: "Made", cell: ({ madeMs }) => <Ago atMs={madeMs} />, isMinor: true },
  { name: "By", cell: ({ madeBy }) => madeBy, isMinor: true },
];

function SecretShown({ secret, onClose }: { readonly secret: string; readonly onClose: () => void }): JSX.Element {
  return (
    <Modal title="The webhook's secret" onClose={onClose}>
      <p>The receiver checks with it that an event comes from this hub. It is shown only now.</p>
      <OnceShown name="Secret" text={secret} />
      <div class="modal-foot">
        <button type="button" class="primary small" onClick={onClose}>
          Done
        </button>
      </div>
    </Modal>
  );
}
