import { type JSX } from "preact";
import { useState } from "preact/hooks";
import type { Person } from "../../people/accounts.ts";
import { people, type Invitation } from "../api.web.ts";
import { Badge, Empty, MoreButton, NotYet, OnceShown, PageHead } from "../parts/parts.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { Modal } from "../parts/modal.tsx";
import { usePages } from "../parts/loading.ts";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { timeText } from "../words.ts";
import { PersonForm } from "./person-form.tsx";

/** Who has an account here, and what they may do. */
export function PeoplePage(): JSX.Element {
  const { me } = useSite();
  const loaded = usePages("people", people.list);
  const [open, setOpen] = useState<Person | "new" | null>(null);
  const [invitation, setInvitation] = useState<{ readonly name: string; readonly made: Invitation } | null>(null);
  const canWrite = may(me, "people.write");
  const columns: readonly Column<Person>[] = [
    {
      name: "Name",
      cell: (person) =>
        canWrite ? (
          <button type="button" class="row-link" onClick={() => setOpen(person)}>
            {person.name}
          </button>
        ) : (
          person.name
        ),
    },
    { name: "Login", cell: ({ login }) => login },
    { name: "Roles", cell: ({ roles }) => roles.map((role) => <Badge key={role}>{role}</Badge>) },
    { name: "Stores", cell: ({ stores }) => scopeText(stores, "every store"), isMinor: true },
    { name: "Tasks", cell: ({ tasks }) => scopeText(tasks, "every task"), isMinor: true },
    { name: "Skills", cell: ({ skills }) => skills.join(", "), isMinor: true },
    { name: "State", cell: (person) => <StateOf person={person} /> },
  ];
  return (
    <main id="main" class="page">
      <PageHead title="People" about="Accounts, their roles, and the stores and tasks that they work on.">
        {canWrite ? (
          <button type="button" class="primary small" onClick={() => setOpen("new")}>
            Invite somebody
          </button>
        ) : null}
      </PageHead>
      <NotYet loaded={loaded} />
      {loaded.value === null ? null : loaded.value.length === 0 ? (
        <Empty title="Nobody has an account yet." />
      ) : (
        <DataTable caption="Accounts" columns={columns} rows={loaded.value} keyOf={({ id }) => id} />
      )}
      <MoreButton loaded={loaded} />
      {open === null ? null : (
        <PersonForm
          person={open === "new" ? null : open}
          onClose={() => setOpen(null)}
          onDone={(name, made) => {
            setOpen(null);
            if (made) setInvitation({ name, made });
            loaded.reload();
          }}
        />
      )}
      {invitation ? <InvitationShown {...invitation} onClose={() => setInvitation(null)} /> : null}
    </main>
  );
}

function StateOf({ person }: { readonly person: Person }): JSX.Element {
  if (person.disabled) return <Badge tone="bad">disabled</Badge>;
  return person.hasPassword ? <Badge tone="good">active</Badge> : <Badge tone="warn">invited</Badge>;
}

function scopeText(scope: readonly string[] | null, every: string): JSX.Element | string {
  return scope === null ? <span class="quiet">{every}</span> : scope.join(", ");
}

function InvitationShown(props: {
  readonly name: string;
  readonly made: Invitation;
  readonly onClose: () => void;
}): JSX.Element {
  const { name, made, onClose } = props;
  return (
    <Modal title={`Invitation for ${name}`} onClose={onClose}>
      <p>Give this address to them on a way that you trust. It sets their password once, and is shown only now.</p>
      <OnceShown name="Address" text={made.url ?? new URL(made.path, location.href).href} />
      <p class="quiet">Good until {timeText(made.expiresMs)}.</p>
      <div class="modal-foot">
        <button type="button" class="primary small" onClick={onClose}>
          Done
        </button>
      </div>
    </Modal>
  );
}
