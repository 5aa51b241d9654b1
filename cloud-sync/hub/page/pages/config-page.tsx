import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { config, type Layer, type LayerState } from "../api.web.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { Form, SelectField, TextField } from "../parts/form.tsx";
import { usePages } from "../parts/loading.ts";
import { Modal } from "../parts/modal.tsx";
import { Ago, MoreButton, NotYet, PageHead } from "../parts/parts.tsx";
import { layerAddress, layerTitle } from "../layer-names.ts";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { ConfigHistory } from "./config-history.tsx";
import { ConfigLayer } from "./config-layer.tsx";

/** The config of the fleet, in layers; `?layer=&scope=` is one of them. */
export function ConfigPage(): JSX.Element {
  const { place } = useSite();
  const layer = place.query.get("layer");
  const scope = place.query.get("scope") ?? "-";
  if (layer === "fleet" || layer === "region" || layer === "store") {
    return <ConfigLayer key={`${layer}/${scope}`} layer={layer} scope={scope} />;
  }
  return <Layers />;
}

const fleet: LayerState = { layer: "fleet", scope: "-", revision: 0, changedMs: null, changedBy: null };

function Layers(): JSX.Element {
  const { me } = useSite();
  const loaded = usePages("layers", config.layers);
  const [isOpen, setOpen] = useState(false);
  const { value } = loaded;
  // The fleet's layer is there even before somebody wrote it.
  const rows = value === null || value.some(({ layer }) => layer === "fleet") ? value : [fleet, ...value];
  const columns: readonly Column<LayerState>[] = [
    { name: "Layer", cell: layerTitle },
    { name: "Revision", cell: ({ revision }) => (revision === 0 ? "not written yet" : revision), isNumber: true },
    { name: "Changed", cell: ({ changedMs }) => <Ago atMs={changedMs} /> },
  ];
  return (
    <main id="main" class="page">
      <PageHead title="Config" about="A store runs the fleet's layer, its region's over it, and its own over both.">
        {may(me, "config.write") ? (
          <button type="button" class="plain" onClick={() => setOpen(true)}>
            Open another layer
          </button>
        ) : null}
      </PageHead>
      <NotYet loaded={loaded} />
      {rows === null ? null : (
        <DataTable
          {...{ caption: "Layers", columns, rows, addressOf: layerAddress }}
          keyOf={({ layer, scope }) => `${layer}/${scope}`}
        />
      )}
      <MoreButton loaded={loaded} />
      <ConfigHistory of={{}} />
      {isOpen ? <OtherLayer onClose={() => setOpen(false)} /> : null}
    </main>
  );
}

function OtherLayer({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const { go } = useSite();
  const [layer, setLayer] = useState<Layer>("store");
  const [scope, setScope] = useState("");
  const open = (): void => {
    if (scope.trim() === "") return;
    onClose();
    go(layerAddress({ layer, scope: scope.trim() }));
  };
  return (
    <Modal title="Open another layer" onClose={onClose}>
      <Form onSubmit={open} problem={null}>
        <SelectField
          {...{ label: "Layer", value: layer }}
          options={[
            ["store", "Of a store"],
            ["region", "Of a region"],
          ]}
          onValue={(value) => setLayer(value === "region" ? "region" : "store")}
        />
        <TextField label="Name" value={scope} onValue={setScope} maxLength={64} isRequired autoFocus />
        <div class="modal-foot">
          <button type="submit" class="primary small">
            Open
          </button>
        </div>
      </Form>
    </Modal>
  );
}
