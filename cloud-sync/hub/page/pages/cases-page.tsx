import { type JSX } from "preact";
import { labelText, percentText } from "../../../review/page/wording.ts";
import type { CaseItem } from "../../cases/case-list.ts";
import { cases, type CaseFilter } from "../api.web.ts";
import { kindText, stateText } from "../case-words.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { SelectField } from "../parts/form.tsx";
import { usePages } from "../parts/loading.ts";
import { Ago, Badge, Empty, MoreButton, NotYet, PageHead } from "../parts/parts.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { addressOf } from "../router.ts";
import { useSite } from "../site.ts";
import { CasePage } from "./case-page.tsx";

/** Every case that reached the hub. */
export function CasesPage(): JSX.Element {
  const { place } = useSite();
  return place.id === null ? <CaseList /> : <CasePage key={place.id} id={place.id} />;
}

const columns: readonly Column<CaseItem>[] = [
  { name: "Task", cell: ({ task }) => labelText(task) },
  { name: "Store", cell: ({ store }) => store },
  { name: "Device", cell: ({ device }) => device, isMinor: true },
  { name: "The model said", cell: (item) => <Said item={item} /> },
  { name: "Decided", cell: ({ finalLabel, label }) => decided(finalLabel ?? label) },
  { name: "State", cell: (item) => <State item={item} /> },
  { name: "Received", cell: ({ receivedMs }) => <Ago atMs={receivedMs} /> },
];

function decided(label: string | null): JSX.Element | string {
  return label === null ? <span class="quiet">not yet</span> : labelText(label);
}

function Said({ item }: { readonly item: CaseItem }): JSX.Element {
  const { modelLabel, confidence, foundIn } = item;
  if (modelLabel === null) return <span class="quiet">nothing</span>;
  return (
    <>
      {labelText(modelLabel)} {confidence === null ? null : <span class="quiet">{percentText(confidence)}</span>}{" "}
      {foundIn === "modelAnswer" ? <Badge>found in this</Badge> : null}
    </>
  );
}

function State({ item }: { readonly item: CaseItem }): JSX.Element {
  return (
    <>
      <Badge tone={item.state === "open" ? "warn" : item.state === "final" ? "good" : ""}>
        {stateText(item.state)}
      </Badge>
      {item.kind === "escalation" ? null : <Badge>{kindText(item.kind)}</Badge>}
      {item.hasConflict ? <Badge tone="bad">conflict</Badge> : null}
    </>
  );
}

const filterNames = ["search", "store", "task", "state", "kind"] as const;

function CaseList(): JSX.Element {
  const { place, go } = useSite();
  const filter = Object.fromEntries(filterNames.map((name) => [name, place.query.get(name)])) as unknown as CaseFilter;
  const loaded = usePages(`cases ${JSON.stringify(filter)}`, (cursor) => cases.list(filter, cursor), 15_000);
  const choose = (change: Partial<CaseFilter>): void =>
    go(addressOf("cases", null, { ...filter, ...change }), "replace");
  const { value } = loaded;
  return (
    <main id="main" class="page">
      <PageHead
        title="Cases"
        about="Everything that reached the hub, newest first. A search looks at ids, stores, devices, context, the answer, and what the model said first."
      />
      <div class="filters">
        <SearchField label="Search" value={filter.search ?? ""} onSettled={(search) => choose({ search })} />
        <SearchField label="Store" value={filter.store ?? ""} onSettled={(store) => choose({ store })} />
        <SearchField label="Task" value={filter.task ?? ""} onSettled={(task) => choose({ task })} />
        <SelectField
          {...{ label: "State", value: filter.state ?? "" }}
          options={[
            ["", "Any"],
            ["open", "Waits for people"],
            ["final", "Final"],
            ["erased", "Erased"],
          ]}
          onValue={(state) => choose({ state })}
        />
        <SelectField
          {...{ label: "Kind", value: filter.kind ?? "" }}
          options={[
            ["", "Any"],
            ["escalation", "Held"],
            ["audit", "Spot checks"],
            ["import", "Imported"],
          ]}
          onValue={(kind) => choose({ kind })}
        />
      </div>
      <NotYet loaded={loaded} />
      {value?.length === 0 ? (
        <Empty title={loaded.more ? "None among the newest." : "No case is like that."}>
          {loaded.more ? "Older ones have not been looked through yet." : undefined}
        </Empty>
      ) : null}
      {value !== null && value.length > 0 ? (
        <DataTable
          {...{ caption: "Cases", columns, rows: value }}
          keyOf={({ id }) => id}
          addressOf={({ id }) => addressOf("cases", id)}
        />
      ) : null}
      <MoreButton loaded={loaded} />
    </main>
  );
}
