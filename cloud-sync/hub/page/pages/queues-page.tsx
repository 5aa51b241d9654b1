import { type JSX } from "preact";
import { useMemo } from "preact/hooks";
import { labelText, leftText } from "../../../review/page/wording.ts";
import { reviews, type OpenSlot } from "../api.web.ts";
import { type Answered } from "../ask.web.ts";
import { boardOf, soonMs, type BoardLine } from "../board.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { useLoaded } from "../parts/loading.ts";
import { Ago, Badge, Empty, NotYet, PageHead, Stat } from "../parts/parts.tsx";
import { addressOf } from "../router.ts";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { countText, plural } from "../words.ts";
import { problemOf } from "./person-form.tsx";
import { ReviewerFiguresCard } from "./reviewer-figures.tsx";

const everyMs = 5_000;
/** Pages of the queue that the board adds up; the rest is said to be more. */
const pagesMax = 5;
const slotsShownMax = 50;

interface Open {
  readonly slots: readonly OpenSlot[];
  readonly hasMore: boolean;
}

/** What waits for people, where, and how pressing it is. */
export function QueuesPage(): JSX.Element {
  const { me } = useSite();
  const loaded = useLoaded("queues", loadOpen, everyMs);
  const { value } = loaded;
  return (
    <main id="main" class="page">
      <PageHead title="Queues" about={`What waits for people. Shown anew every ${everyMs / 1000} s.`} />
      <NotYet loaded={loaded} />
      {value ? <Board {...value} reload={loaded.reload} /> : null}
      {may(me, "lead") ? <ReviewerFiguresCard /> : null}
    </main>
  );
}

/** The most urgent cases, page by page, up to a bound. */
async function loadOpen(): Promise<Answered<Open>> {
  const slots: OpenSlot[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < pagesMax; page += 1) {
    const answered: Awaited<ReturnType<typeof reviews.queue>> = await reviews.queue(
      { store: null, task: null },
      cursor,
    );
    if (!answered?.ok) return answered;
    slots.push(...answered.value.items);
    cursor = answered.value.cursor;
    if (cursor === null) break;
  }
  return { ok: true, value: { slots, hasMore: cursor !== null } };
}

function Board({ slots, hasMore, reload }: Open & { readonly reload: () => void }): JSX.Element {
  const nowMs = Date.now();
  const lines = useMemo(() => boardOf(slots, nowMs), [slots]);
  const sum = (column: "waiting" | "leased" | "pressing"): number =>
    lines.reduce((total, line) => total + line[column], 0);
  const oldest = lines.length === 0 ? null : Math.min(...lines.map(({ oldestMs }) => oldestMs));
  const more = hasMore ? "+" : "";
  if (slots.length === 0) return <Empty title="Nothing waits for people." />;
  return (
    <>
      <dl class="stats">
        <Stat name="Waiting" value={`${countText(sum("waiting"))}${more}`} />
        <Stat name="With reviewers" value={countText(sum("leased"))} />
        <Stat
          name={`Due within ${soonMs / 60_000} min`}
          value={countText(sum("pressing"))}
          tone={sum("pressing") > 0 ? "warn" : ""}
        />
        <Stat name="Oldest" value={oldest === null ? "none" : <Ago atMs={oldest} nowMs={nowMs} />} />
      </dl>
      {hasMore ? (
        <p class="quiet">Counted over the {countText(slots.length)} most urgent cases; there are more.</p>
      ) : null}
      <DataTable
        {...{ caption: "Queues by store and task", columns: boardColumns(nowMs), rows: lines }}
        keyOf={({ store, task }) => `${store}/${task}`}
        addressOf={({ store, task }) => addressOf("cases", null, { store, task, state: "open" })}
      />
      <section class="panel-card" aria-labelledby="next-title">
        <h2 id="next-title">Most urgent first</h2>
        <DataTable
          {...{
            caption: "Cases, most urgent first",
            columns: slotColumns(nowMs, reload),
            rows: slots.slice(0, slotsShownMax),
          }}
          keyOf={({ id }) => id}
          addressOf={({ caseId }) => addressOf("cases", caseId)}
        />
        {slots.length > slotsShownMax ? <p class="quiet">The first {plural(slotsShownMax, "case")} of them.</p> : null}
      </section>
    </>
  );
}

function boardColumns(nowMs: number): readonly Column<BoardLine>[] {
  return [
    { name: "Task", cell: ({ task }) => labelText(task) },
    { name: "Store", cell: ({ store }) => store },
    { name: "Waiting", cell: ({ waiting }) => countText(waiting), isNumber: true },
    { name: "With reviewers", cell: ({ leased }) => countText(leased), isNumber: true },
    { name: "Oldest", cell: ({ oldestMs }) => <Ago atMs={oldestMs} nowMs={nowMs} /> },
    { name: "Next due", cell: ({ nextDueMs }) => <Due dueMs={nextDueMs} nowMs={nowMs} /> },
    {
      name: "Pressing",
      cell: ({ pressing }) =>
        pressing === 0 ? <span class="quiet">none</span> : <Badge tone="warn">{pressing}</Badge>,
    },
  ];
}

function slotColumns(nowMs: number, reload: () => void): readonly Column<OpenSlot>[] {
  return [
    { name: "Case", cell: ({ task }) => labelText(task) },
    { name: "Store", cell: ({ store }) => store },
    { name: "Asked as", cell: ({ role, skill }) => (skill === null ? role : `${role}, ${skill}`), isMinor: true },
    { name: "Held", cell: ({ heldMs }) => <Ago atMs={heldMs} nowMs={nowMs} /> },
    { name: "Due", cell: ({ dueMs }) => <Due dueMs={dueMs} nowMs={nowMs} /> },
    { name: "State", cell: (slot) => <SlotState slot={slot} reload={reload} /> },
  ];
}

function Due({ dueMs, nowMs }: { readonly dueMs: number | null; readonly nowMs: number }): JSX.Element {
  if (dueMs === null) return <span class="quiet">nobody waits</span>;
  const leftMs = dueMs - nowMs;
  return leftMs < soonMs ? <Badge tone="warn">{leftText(leftMs)}</Badge> : <span>in {leftText(leftMs)}</span>;
}

function SlotState({ slot, reload }: { readonly slot: OpenSlot; readonly reload: () => void }): JSX.Element {
  const { me, tell } = useSite();
  const release = async (): Promise<void> => {
    const answered = await reviews.release(slot.id);
    tell(answered?.ok ? "It is back in the queue." : problemOf(answered));
    reload();
  };
  if (slot.state !== "leased") return <span>{slot.state}</span>;
  return (
    <>
      <span>{slot.reviewer === null ? "with a reviewer" : `with ${slot.reviewer}`}</span>{" "}
      {may(me, "lead") ? (
        <button
          type="button"
          class="plain small"
          aria-label={`Put the case back that ${slot.reviewer ?? "a reviewer"} has`}
          onClick={() => void release()}
        >
          Put back
        </button>
      ) : null}
    </>
  );
}
