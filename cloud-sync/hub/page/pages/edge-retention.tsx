import { type JSX } from "preact";
import { layerAddress, layerTitle } from "../layer-names.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { useLoaded } from "../parts/loading.ts";
import { NotYet } from "../parts/parts.tsx";
import { may } from "../session.ts";
import { retention, type EdgeRetentionLine } from "../settings-api.web.ts";
import { useSite } from "../site.ts";
import { countText, durationText, plural } from "../words.ts";

const columns: readonly Column<EdgeRetentionLine>[] = [
  { name: "Set by", cell: (line) => <SetBy line={line} /> },
  { name: "Kept after the answer", cell: ({ keepMs }) => durationText(keepMs), isNumber: true },
  { name: "Stores", cell: ({ stores }) => countText(stores), isNumber: true },
];

/** How long the boxes keep what they decided: their config says it, and there it is changed. */
export function EdgeRetentionCard(): JSX.Element {
  const { me } = useSite();
  return (
    <section class="panel-card" aria-labelledby="edge-kept-title">
      <h2 id="edge-kept-title">In the stores</h2>
      {may(me, "config.read") ? <EdgeLines /> : null}
      <p class="quiet">
        The boxes forget by themselves, by <code>retention.input_keep</code> of their config
        {may(me, "config.read") ? (
          <>
            , which is changed in the <a href={layerAddress({ layer: "fleet", scope: "-" })}>fleet's layer</a>, a
            region's or a store's
          </>
        ) : null}
        . A file of the box itself may say otherwise; the store's page tells.
      </p>
    </section>
  );
}

function EdgeLines(): JSX.Element {
  const loaded = useLoaded("edge retention", retention.edge);
  const { value } = loaded;
  return (
    <>
      <NotYet loaded={loaded} />
      {value?.items.length === 0 ? (
        <p>
          No store is known yet. Where no layer says anything it is <strong>{durationText(value.defaultMs)}</strong>.
        </p>
      ) : null}
      {value !== null && value.items.length > 0 ? (
        <DataTable
          caption="Kept in the stores"
          columns={columns}
          rows={value.items}
          keyOf={({ layer, scope }) => `${layer}/${scope}`}
        />
      ) : null}
      {value !== null && value.more > 0 ? <p class="quiet">And {plural(value.more, "layer")} more.</p> : null}
    </>
  );
}

function SetBy({ line: { layer, scope } }: { readonly line: EdgeRetentionLine }): JSX.Element {
  if (layer === "default") return <>No layer: the default</>;
  return <a href={layerAddress({ layer, scope })}>{layerTitle({ layer, scope })}</a>;
}
