import { type RepeatTables } from "../api/repeat-tables.ts";
import { type AuditTables } from "../audit/audit-tables.ts";
import { type CaseTables } from "../cases/case-tables.ts";
import { type ConfigTables } from "../config/config-tables.ts";
import { type DropInTables } from "../drop-in/drop-in-tables.ts";
import { type FleetTables } from "../fleet/fleet-tables.ts";
import { type GateTables } from "../gate/gate-tables.ts";
import { type PeopleTables } from "../people/people-tables.ts";
import { type PrivacyTables } from "../privacy/privacy-tables.ts";
import { type WebhookTables } from "../webhooks/webhook-tables.ts";
import { type ReviewTables } from "../review/review-tables.ts";

/**
 * Every table of the hub, by room. Columns have the same meaning on SQLite and PostgreSQL: texts, whole numbers (times
 * are wall-clock milliseconds, truths 0 or 1), bytes. JSON is text, so that it is the same characters when read again.
 */
export interface HubTables
  extends
    InstanceTables,
    FleetTables,
    GateTables,
    CaseTables,
    ConfigTables,
    DropInTables,
    AuditTables,
    PeopleTables,
    PrivacyTables,
    RepeatTables,
    ReviewTables,
    WebhookTables {}

interface InstanceTables {
  /** One row: which hub this database belongs to. */
  readonly hub_instance: {
    readonly one: number;
    /** Name of this hub in cursors and signatures; a restored copy keeps it. */
    readonly hub_id: string;
    readonly created_ms: number;
    /** The hub's own Ed25519 key (PKCS #8, PEM), made by the first process that needs it. */
    readonly signing_key: string | null;
  };
}
