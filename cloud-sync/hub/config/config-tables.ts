/** Tables of the config that is edited at the hub. */
export const hubLayers = ["fleet", "region", "store"] as const;
export type HubLayer = (typeof hubLayers)[number];

/** The one scope of the fleet's layer. */
export const fleetScope = "-";

export interface ConfigTables {
  /** What the hub knows of a store beside its agents. A store without a row has no region. */
  readonly stores: {
    readonly store: string;
    readonly region: string | null;
    readonly changed_ms: number;
  };
  /** The text that is in force, by layer; a layer that was never written has no row and revision 0. */
  readonly config_layers: {
    readonly layer: HubLayer;
    /** A region's or a store's name; `-` for the fleet. */
    readonly scope: string;
    /** YAML; blank where the layer says nothing. */
    readonly text: string;
    /** 1, 2, 3 … */
    readonly revision: number;
    readonly changed_ms: number;
    readonly changed_by: string;
  };
  /** Every text that ever was in force. Nothing is taken out. */
  readonly config_history: {
    /** 1, 2, 3 … over all layers, in the order of the commits. */
    readonly change_n: number;
    readonly layer: HubLayer;
    readonly scope: string;
    readonly revision: number;
    readonly text: string;
    readonly at_ms: number;
    /** `person:<id>` or `program:<id>`. */
    readonly made_by: string;
    /** As others saw it then. */
    readonly made_by_name: string;
    readonly why: string;
    /** The revision whose text came back, or null. */
    readonly revert_of: number | null;
  };
  /** One row: the last change. Its lock puts all changes of the config in order. */
  readonly config_head: { readonly one: number; readonly change_n: number };
}
