import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { useLoaded } from "../parts/loading.ts";
import { Form } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { Badge, Empty, NotYet, PageHead } from "../parts/parts.tsx";
import { webhooks, type Webhook } from "../settings-api.web.ts";
import { sectionAddress } from "../settings-sections.ts";
import { useSite } from "../site.ts";
import { timeText } from "../words.ts";
import { problemOf } from "./person-form.tsx";
import { SettingsNav } from "./settings-nav.tsx";
import { WebhookDeliveries } from "./webhook-deliveries.tsx";
import { storesText, WebhookState } from "./webhook-state.tsx";

const everyMs = 10_000;

/** One webhook: what it is told, and what became of it. */
export function WebhookPage({ id }: { readonly id: string }): JSX.Element {
  const loaded = useLoaded(`webhook ${id}`, webhooks.list, everyMs);
  const [isLeaving, setLeaving] = useState(false);
  const webhook = loaded.value?.items.find((one) => one.id === id) ?? null;
  return (
    <main id="main" class="page">
      <PageHead title="Webhook" about={webhook === null ? undefined : <span class="address">{webhook.url}</span>}>
        <a class="plain" href={sectionAddress("webhooks")}>
          All webhooks
        </a>
        {webhook === null ? null : (
          <button type="button" class="plain danger" onClick={() => setLeaving(true)}>
            Delete
          </button>
        )}
      </PageHead>
      <SettingsNav />
      <NotYet loaded={loaded} />
      {loaded.value !== null && webhook === null ? <Empty title="There is no such webhook." /> : null}
      {webhook === null ? null : (
        <>
          <WebhookFacts webhook={webhook} />
          <WebhookDeliveries id={id} onChanged={loaded.reload} />
        </>
      )}
      {isLeaving && webhook !== null ? <DeleteWebhook webhook={webhook} onClose={() => setLeaving(false)} /> : null}
    </main>
  );
}

function WebhookFacts({ webhook }: { readonly webhook: Webhook }): JSX.Element {
  return (
    <section class="panel-card" aria-labelledby="webhook-title">
      <h2 id="webhook-title">What it is told</h2>
      <dl class="meanings">
        <div>
          <dt>Events</dt>
          <dd>
            {webhook.events.map((event) => (
              <Badge key={event}>{event}</Badge>
            ))}
          </dd>
        </div>
        <div>
          <dt>Stores</dt>
          <dd>{storesText(webhook.stores)}</dd>
        </div>
        <div>
          <dt>State</dt>
          <dd>
            <WebhookState webhook={webhook} />
          </dd>
        </div>
        <div>
          <dt>Made</dt>
          <dd>
            {timeText(webhook.madeMs)} by {webhook.madeBy}
          </dd>
        </div>
      </dl>
    </section>
  );
}

function DeleteWebhook({ webhook, onClose }: { readonly webhook: Webhook; readonly onClose: () => void }): JSX.Element {
  const { go, tell } = useSite();
  const [problem, setProblem] = useState<string | null>(null);
  const remove = async (): Promise<void> => {
    const answered = await webhooks.remove(webhook.id);
    if (!answered?.ok) {
      setProblem(problemOf(answered));
      return;
    }
    tell("The webhook is deleted.");
    go(sectionAddress("webhooks"), "replace");
  };
  return (
    <Modal title="Delete this webhook?" onClose={onClose}>
      <p class="address">{webhook.url}</p>
      <Form onSubmit={() => void remove()} problem={problem}>
        <p>Nothing more is sent there. What waits is dropped, and its deliveries are forgotten.</p>
        <div class="modal-foot">
          <button type="button" class="plain" onClick={onClose} autoFocus>
            Keep it
          </button>
          <button type="submit" class="plain danger">
            Delete for good
          </button>
        </div>
      </Form>
    </Modal>
  );
}
