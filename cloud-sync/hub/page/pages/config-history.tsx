import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { layerTitle } from "../layer-names.ts";
import { config, type Layer, type LayerChange } from "../api.web.ts";
import { DiffView } from "../parts/diff-view.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { useLoaded, usePages } from "../parts/loading.ts";
import { Modal } from "../parts/modal.tsx";
import { Ago, Empty, MoreButton, NotYet } from "../parts/parts.tsx";
import { timeText } from "../words.ts";

export interface HistoryProps {
  /** Of one layer, or of all. */
  readonly of: { readonly layer?: Layer; readonly scope?: string };
  /** Puts the text of an earlier revision in force; null where this person may not. */
  readonly onRevert?: ((change: LayerChange) => void) | null;
  readonly currentRevision?: number;
}

/** Who changed what, when and why. */
export function ConfigHistory({ of, onRevert = null, currentRevision }: HistoryProps): JSX.Element {
  const key = `history ${of.layer ?? ""}/${of.scope ?? ""} ${currentRevision ?? ""}`;
  const loaded = usePages(key, (cursor) => config.history(of, cursor));
  const [open, setOpen] = useState<LayerChange | null>(null);
  const columns: readonly Column<LayerChange>[] = [
    {
      name: "Why",
      cell: (change) => (
        <button type="button" class="row-link" onClick={() => setOpen(change)}>
          {change.why}
        </button>
      ),
    },
    ...(of.layer === undefined ? [{ name: "Layer", cell: layerTitle }] : []),
    { name: "Revision", cell: ({ revision, revertOf }) => revisionText(revision, revertOf), isNumber: true },
    { name: "By", cell: ({ by }) => by },
    { name: "When", cell: ({ atMs }) => <Ago atMs={atMs} /> },
  ];
  return (
    <section class="panel-card" aria-labelledby="history-title">
      <h2 id="history-title">History</h2>
      <NotYet loaded={loaded} />
      {loaded.value?.length === 0 ? <Empty title="Nothing has been changed yet." /> : null}
      {loaded.value !== null && loaded.value.length > 0 ? (
        <DataTable caption="Changes" columns={columns} rows={loaded.value} keyOf={({ change }) => String(change)} />
      ) : null}
      <MoreButton loaded={loaded} />
      {open ? (
        <ChangeShown
          change={open}
          onClose={() => setOpen(null)}
          onRevert={
            onRevert && open.revision !== currentRevision
              ? () => {
                  setOpen(null);
                  onRevert(open);
                }
              : null
          }
        />
      ) : null}
    </section>
  );
}

function revisionText(revision: number, revertOf: number | null): string {
  return revertOf === null ? String(revision) : `${revision} (as ${revertOf})`;
}

function ChangeShown(props: {
  readonly change: LayerChange;
  readonly onClose: () => void;
  readonly onRevert: (() => void) | null;
}): JSX.Element {
  const { change, onClose, onRevert } = props;
  const loaded = useLoaded(`change ${change.change}`, () => config.change(change.change));
  return (
    <Modal title={`${layerTitle(change)}, revision ${change.revision}`} onClose={onClose} isWide>
      <p>
        <strong>{change.why}</strong>
      </p>
      <p class="quiet">
        {change.by}, {timeText(change.atMs)}
      </p>
      <NotYet loaded={loaded} />
      {loaded.value ? <DiffView before={loaded.value.before} after={loaded.value.text} /> : null}
      {onRevert ? (
        <div class="modal-foot">
          <button type="button" class="plain" onClick={onRevert}>
            Go back to this revision
          </button>
        </div>
      ) : null}
    </Modal>
  );
}
