import { type JSX } from "preact";
import { useState } from "preact/hooks";
import type { StoreLine } from "../../fleet/store-list.ts";
import { fleet } from "../api.web.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { usePages } from "../parts/loading.ts";
import { Ago, Badge, Empty, MoreButton, NotYet, PageHead } from "../parts/parts.tsx";
import { Share } from "../parts/share.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { addressOf } from "../router.ts";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { countText, plural } from "../words.ts";
import { EnrolDialog } from "./enrol-dialog.tsx";
import { StorePage } from "./store-page.tsx";

const everyMs = 15_000;

/** The fleet, a line for each store. */
export function StoresPage(): JSX.Element {
  const { place } = useSite();
  return place.id === null ? <StoreList /> : <StorePage key={place.id} store={place.id} />;
}

const columns: readonly Column<StoreLine>[] = [
  { name: "Store", cell: ({ store }) => store },
  { name: "Region", cell: ({ region }) => region ?? "", isMinor: true },
  { name: "Agents", cell: (line) => <Agents line={line} /> },
  { name: "Backlog", cell: ({ pending }) => (pending === 0 ? "none" : countText(pending)), isNumber: true },
  { name: "Waiting for people", cell: ({ waiting }) => countText(waiting), isNumber: true },
  { name: "Oldest", cell: ({ oldestMs }) => (oldestMs === null ? "" : <Ago atMs={oldestMs} />) },
  {
    name: "Coverage, 24 h",
    cell: ({ coverage }) => (coverage === null ? <span class="quiet">no decisions</span> : <Share share={coverage} />),
    isMinor: true,
  },
  { name: "Config", cell: (line) => <ConfigState line={line} />, isMinor: true },
];

function StoreList(): JSX.Element {
  const { place, go, me } = useSite();
  const q = place.query.get("q") ?? "";
  const loaded = usePages(`stores ${q}`, (cursor) => fleet.stores(q, cursor), everyMs);
  const [isOpen, setOpen] = useState(false);
  const { value } = loaded;
  return (
    <main id="main" class="page">
      <PageHead title="Stores" about={value === null ? undefined : summary(value)}>
        <SearchField
          {...{ label: "Search", value: q }}
          onSettled={(typed) => go(addressOf("stores", null, { q: typed }), "replace")}
        />
        {may(me, "fleet.write") ? (
          <button type="button" class="primary small" onClick={() => setOpen(true)}>
            Enrol a box
          </button>
        ) : null}
      </PageHead>
      <NotYet loaded={loaded} />
      {value?.length === 0 ? (
        <Empty title={q === "" ? "No store reports to this hub yet." : `No store is called “${q}”.`}>
          {q === "" ? "Enrol a box: make a token here and give it to the agent." : undefined}
        </Empty>
      ) : null}
      {value !== null && value.length > 0 ? (
        <DataTable
          {...{ caption: "Stores", columns, rows: value }}
          keyOf={({ store }) => store}
          addressOf={({ store }) => addressOf("stores", store)}
        />
      ) : null}
      <MoreButton loaded={loaded} />
      {isOpen ? <EnrolDialog store="" onClose={() => setOpen(false)} /> : null}
    </main>
  );
}

function summary(lines: readonly StoreLine[]): string {
  const dark = lines.filter(({ agents, online }) => online < agents).length;
  const degraded = lines.filter((line) => line.degraded > 0).length;
  const parts = [plural(lines.length, "store")];
  if (dark > 0) parts.push(`${dark} with an agent that is offline`);
  if (degraded > 0) parts.push(`${degraded} degraded`);
  return parts.join(", ");
}

function Agents({ line }: { readonly line: StoreLine }): JSX.Element {
  const { agents, online, degraded } = line;
  if (agents === 0) return <span class="quiet">none</span>;
  return (
    <>
      <Badge tone={online === agents ? "good" : online === 0 ? "bad" : "warn"}>
        {online === agents ? "online" : `${online} of ${agents} online`}
      </Badge>
      {degraded > 0 ? <Badge tone="warn">{degraded} degraded</Badge> : null}
    </>
  );
}

function ConfigState({ line }: { readonly line: StoreLine }): JSX.Element {
  return line.behind === 0 ? (
    <span class="quiet">as it should be</span>
  ) : (
    <Badge tone="warn">{line.behind} behind</Badge>
  );
}
