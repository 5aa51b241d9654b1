import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { audit, people, type AuditFilter, type AuditLine } from "../api.web.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { usePages } from "../parts/loading.ts";
import { Modal } from "../parts/modal.tsx";
import { Badge, Empty, MoreButton, NotYet, PageHead } from "../parts/parts.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { addressOf } from "../router.ts";
import { useSite } from "../site.ts";
import { timeText } from "../words.ts";

/** Who saw and did what. */
export function AuditPage(): JSX.Element {
  const { place, go } = useSite();
  const filter: AuditFilter = {
    actor: place.query.get("actor"),
    action: place.query.get("action"),
    subject: place.query.get("subject"),
  };
  const loaded = usePages(`audit ${JSON.stringify(filter)}`, (cursor) => audit.list(filter, cursor));
  const names = useNames();
  const [open, setOpen] = useState<AuditLine | null>(null);
  const choose = (change: Partial<AuditFilter>): void =>
    go(addressOf("audit", null, { ...filter, ...change }), "replace");
  return (
    <main id="main" class="page">
      <PageHead
        title="Audit log"
        about="Every line carries the hash of the one before: what is changed or missing shows."
      >
        <a class="plain" href={audit.csvAddress(filter)} download data-outside>
          CSV
        </a>
        <a class="plain" href="/v1/audit/checkpoint" download="holdpoint-audit-checkpoint.json" data-outside>
          Checkpoint
        </a>
      </PageHead>
      <div class="filters">
        <SearchField label="Who" value={filter.actor ?? ""} onSettled={(actor) => choose({ actor })} />
        <SearchField label="What" value={filter.action ?? ""} onSettled={(action) => choose({ action })} />
        <SearchField label="To what" value={filter.subject ?? ""} onSettled={(subject) => choose({ subject })} />
      </div>
      <NotYet loaded={loaded} />
      {loaded.value?.length === 0 ? (
        <Empty title="No line is like that.">Give the whole of it, for instance case.viewed or person:019a….</Empty>
      ) : null}
      {loaded.value !== null && loaded.value.length > 0 ? (
        <DataTable
          caption="Audit log"
          columns={columnsOf(setOpen, names)}
          rows={loaded.value}
          keyOf={({ n }) => String(n)}
        />
      ) : null}
      <MoreButton loaded={loaded} />
      {open ? <LineShown line={open} onClose={() => setOpen(null)} onFilter={choose} /> : null}
    </main>
  );
}

/** Names of the people whom the first page of accounts has, by `person:<id>`; others are shown as they stand in the log. */
function useNames(): ReadonlyMap<string, string> {
  const known = usePages("people of the audit log", people.list);
  return new Map((known.value ?? []).map(({ id, name }) => [`person:${id}`, name]));
}

function columnsOf(open: (line: AuditLine) => void, names: ReadonlyMap<string, string>): readonly Column<AuditLine>[] {
  return [
    {
      name: "Line",
      cell: (line) => (
        <button type="button" class="row-link" onClick={() => open(line)} aria-label={`Line ${line.n}`}>
          {line.n}
        </button>
      ),
    },
    { name: "When", cell: ({ atMs }) => <span class="nowrap">{timeText(atMs)}</span> },
    {
      name: "Who",
      cell: ({ actor }) => {
        const name = names.get(actor);
        return name === undefined ? <span class="mono clip">{actor}</span> : <span title={actor}>{name}</span>;
      },
    },
    { name: "What", cell: ({ action }) => <Badge>{action}</Badge> },
    { name: "To what", cell: ({ subject }) => <span class="mono clip">{subject}</span> },
    { name: "Detail", cell: ({ detail }) => <span class="mono clip quiet">{detailText(detail)}</span>, isMinor: true },
  ];
}

function detailText(detail: AuditLine["detail"]): string {
  return Object.keys(detail).length === 0 ? "" : JSON.stringify(detail);
}

function LineShown(props: {
  readonly line: AuditLine;
  readonly onClose: () => void;
  readonly onFilter: (filter: Partial<AuditFilter>) => void;
}): JSX.Element {
  const { line, onClose, onFilter } = props;
  const only = (filter: Partial<AuditFilter>): void => {
    onClose();
    onFilter(filter);
  };
  return (
    <Modal title={`Line ${line.n}`} onClose={onClose}>
      <dl class="facts-list one">
        <div>
          <dt>When</dt>
          <dd>{timeText(line.atMs)}</dd>
        </div>
        <div>
          <dt>Who</dt>
          <dd class="mono">{line.actor}</dd>
        </div>
        <div>
          <dt>What</dt>
          <dd class="mono">{line.action}</dd>
        </div>
        <div>
          <dt>To what</dt>
          <dd class="mono">{line.subject}</dd>
        </div>
        <div>
          <dt>Detail</dt>
          <dd>
            <pre class="mono">{JSON.stringify(line.detail, null, 2)}</pre>
          </dd>
        </div>
        <div>
          <dt>Hash</dt>
          <dd class="mono">{line.hash}</dd>
        </div>
      </dl>
      <div class="modal-foot">
        <button type="button" class="plain" onClick={() => only({ actor: line.actor })}>
          Only this person
        </button>
        <button type="button" class="plain" onClick={() => only({ subject: line.subject })}>
          Only this subject
        </button>
      </div>
    </Modal>
  );
}
