import { createSigningKey, readSigningKey, type SigningKey } from "../../protocol/platform/signing.node.ts";
import { type HubDatabase } from "./database/database.ts";

/**
 * The key with which the hub signs what agents must be able to trust. It lies in the database, because every process of
 * the hub signs with the same one; whoever can read the database can sign as the hub.
 */
export async function openHubKey(database: HubDatabase): Promise<SigningKey> {
  const made = createSigningKey();
  await database.write(({ db }) =>
    db.updateTable("hub_instance").set({ signing_key: made.pem }).where("signing_key", "is", null).execute(),
  );
  const row = await database.read((db) =>
    db.selectFrom("hub_instance").select("signing_key").executeTakeFirstOrThrow(),
  );
  return readSigningKey(row.signing_key ?? "");
}
