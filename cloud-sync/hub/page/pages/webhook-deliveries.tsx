import { type JSX } from "preact";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { SelectField } from "../parts/form.tsx";
import { usePages } from "../parts/loading.ts";
import { Ago, Badge, Empty, MoreButton, NotYet } from "../parts/parts.tsx";
import { deliveryStates, webhooks, type Delivery, type DeliveryState } from "../settings-api.web.ts";
import { sectionAddress } from "../settings-sections.ts";
import { useSite } from "../site.ts";
import { answerText, deliveryWords, nextText } from "../webhook-words.ts";
import { shortSecondText } from "../words.ts";
import { problemOf } from "./person-form.tsx";

export interface DeliveriesProps {
  /** The webhook's. */
  readonly id: string;
  readonly onChanged: () => void;
}

const everyMs = 5_000;

/** What was sent, waits or is a dead letter, newest first; what has ended can be sent again. */
export function WebhookDeliveries({ id, onChanged }: DeliveriesProps): JSX.Element {
  const { place, go, tell } = useSite();
  const wanted = place.query.get("state");
  const state = deliveryStates.find((known) => known === wanted) ?? null;
  const loaded = usePages(
    `deliveries ${id} ${state ?? ""}`,
    (cursor) => webhooks.deliveries(id, state, cursor),
    everyMs,
  );
  const retry = async (delivery: Delivery): Promise<void> => {
    const answered = await webhooks.retry(id, delivery.id);
    tell(answered?.ok ? "It is sent again." : problemOf(answered));
    loaded.reload();
    onChanged();
  };
  const { value } = loaded;
  return (
    <section class="panel-card" aria-labelledby="deliveries-title">
      <div class="card-head">
        <h2 id="deliveries-title">Deliveries</h2>
        <SelectField
          {...{ label: "State", value: state ?? "", options: stateOptions, isBare: true }}
          onValue={(next) => go(sectionAddress("webhooks", { webhook: id, state: next }), "replace")}
        />
      </div>
      <NotYet loaded={loaded} />
      {value?.length === 0 ? (
        <Empty title={state === null ? "Nothing has happened yet that it is told." : "No delivery is like that."} />
      ) : null}
      {value !== null && value.length > 0 ? (
        <DataTable
          {...{ caption: "Deliveries", columns: columnsOf((one) => void retry(one)), rows: value }}
          keyOf={(one) => one.id}
        />
      ) : null}
      <MoreButton loaded={loaded} />
      <p class="quiet">What fails is tried again for three days. What was sent is kept 3 days, dead letters 30.</p>
    </section>
  );
}

const stateOptions: readonly (readonly [DeliveryState | "", string])[] = [
  ["", "All"],
  ["waiting", "Waiting"],
  ["sent", "Sent"],
  ["dead", "Dead letters"],
];

function columnsOf(retry: (delivery: Delivery) => void): readonly Column<Delivery>[] {
  return [
    { name: "Event", cell: ({ event }) => event },
    { name: "Came", cell: ({ madeMs }) => <Ago atMs={madeMs} /> },
    { name: "State", cell: (delivery) => <StateOf delivery={delivery} /> },
    { name: "Attempts", cell: ({ attempts }) => attempts, isNumber: true, isMinor: true },
    { name: "Answer", cell: (delivery) => <span class="address quiet">{answerText(delivery)}</span> },
    { name: "Its id", cell: ({ id }) => <span class="mono clip quiet">{id}</span>, isMinor: true },
    { name: "Again", cell: (delivery) => <Again {...{ delivery, retry }} /> },
  ];
}

function StateOf({ delivery }: { readonly delivery: Delivery }): JSX.Element {
  const { text, tone } = deliveryWords[delivery.state];
  return (
    <>
      <Badge tone={tone}>{text}</Badge> <span class="quiet">{nextText(delivery, Date.now())}</span>
    </>
  );
}

function Again(props: {
  readonly delivery: Delivery;
  readonly retry: (delivery: Delivery) => void;
}): JSX.Element | null {
  const { delivery, retry } = props;
  // What waits is under way.
  if (delivery.state === "waiting") return null;
  return (
    <button
      type="button"
      class="plain small"
      aria-label={`Retry ${delivery.event} of ${shortSecondText(delivery.madeMs)}`}
      onClick={() => retry(delivery)}
    >
      Retry
    </button>
  );
}
