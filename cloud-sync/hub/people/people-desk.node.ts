import { HoldpointError } from "../../../protocol/index.ts";
import { systemClock, systemRandom } from "../../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../../protocol/platform/hash.node.ts";
import { silentLogger } from "../../../protocol/index.ts";
import { createAuditTrail } from "../audit/audit-trail.ts";
import { openHubDatabase } from "../database/open-database.node.ts";
import { addPerson, type NewPerson } from "./accounts.ts";
import { invite, type Invitation } from "./invitations.ts";

/** People, managed beside the hub: by whoever may read its database, with no account and no hub that runs. */
export interface PeopleDesk {
  /** Adds an account and invites into it. Errors: HP_CONFLICT. */
  add(person: NewPerson): Promise<Invitation>;
  /** Makes a new invitation; the password that there is stays good until it is taken up. Errors: HP_NOT_FOUND. */
  invite(login: string): Promise<Invitation>;
  close(): Promise<void>;
}

/** `url` is a directory or `postgres://…`. Errors: HP_LOCKED (a hub on SQLite runs: ask it over HTTP), HP_DATABASE. */
export async function openPeopleDesk(url: string): Promise<PeopleDesk> {
  const shared = { clock: systemClock, random: systemRandom, hasher: nodeHasher };
  const { database, hubId } = await openHubDatabase({ ...shared, url, logger: silentLogger });
  const parts = { ...shared, audit: createAuditTrail(hubId, systemClock, nodeHasher) };
  return {
    add: (person) =>
      database.write(async (trx) => invite(parts, trx, null, (await addPerson(parts, trx, null, person)).id)),
    invite: (login) =>
      database.write(async (trx) => {
        const row = await trx.db
          .selectFrom("people")
          .select("person_id")
          .where("login", "=", login.toLowerCase())
          .executeTakeFirst();
        if (!row) throw new HoldpointError("HP_NOT_FOUND", `there is no account ${login}`);
        return invite(parts, trx, null, row.person_id);
      }),
    close: () => database.close(),
  };
}
