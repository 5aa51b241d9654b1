import { type JSX } from "preact";
import { useState } from "preact/hooks";
import type { Role } from "../../api/caller.ts";
import type { Person } from "../../people/accounts.ts";
import { people, type Invitation, type NewPerson } from "../api.web.ts";
import { type Answered } from "../ask.web.ts";
import { CheckList, Form, namesOf, scopeOf, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { useSite } from "../site.ts";

export interface PersonFormProps {
  /** Null: somebody new. */
  readonly person: Person | null;
  readonly onClose: () => void;
  readonly onDone: (name: string, invitation: Invitation | null) => void;
}

export const roleTexts: readonly (readonly [Role, string])[] = [
  ["reviewer", "Reviewer: answers cases"],
  ["lead", "Lead: answers what reviewers hand on, sees who answered what"],
  ["operator", "Operator: stores, boxes and config"],
  ["auditor", "Auditor: sees everything, changes nothing"],
  ["admin", "Admin: everything, people included"],
];

export function PersonForm({ person, onClose, onDone }: PersonFormProps): JSX.Element {
  const [draft, setDraft] = useState(() => draftOf(person));
  const [problem, setProblem] = useState<string | null>(null);
  const set = (change: Partial<Draft>): void => setDraft({ ...draft, ...change });
  const save = async (): Promise<void> => {
    const given = givenOf(draft);
    if (person === null) {
      const answered = await people.add(given);
      if (answered?.ok) onDone(given.name, answered.value.invitation);
      else setProblem(problemOf(answered));
      return;
    }
    const answered = await people.change(person.id, changesOf(person, given));
    if (answered?.ok) onDone(given.name, null);
    else setProblem(problemOf(answered));
  };
  return (
    <Modal title={person === null ? "Invite somebody" : person.name} onClose={onClose}>
      <Form onSubmit={() => void save()} problem={problem}>
        <TextField
          label="Name"
          value={draft.name}
          onValue={(name) => set({ name })}
          maxLength={100}
          isRequired
          autoFocus
        />
        <TextField
          {...{ label: "Login", about: "Letters, digits and . _ @ + -", maxLength: 128 }}
          value={draft.login}
          onValue={(login) => set({ login })}
          isRequired
        />
        <CheckList label="Roles" options={roleTexts} chosen={draft.roles} onChosen={(roles) => set({ roles })} />
        <TextField
          {...{ label: "Stores", about: "Names with commas between them. Blank: every store.", maxLength: 4000 }}
          value={draft.stores}
          onValue={(stores) => set({ stores })}
        />
        <TextField
          {...{ label: "Tasks", about: "Blank: every task.", maxLength: 4000 }}
          value={draft.tasks}
          onValue={(tasks) => set({ tasks })}
        />
        <TextField
          {...{ label: "Skills", about: "Cases that ask for a skill go to people who have it.", maxLength: 4000 }}
          value={draft.skills}
          onValue={(skills) => set({ skills })}
        />
        <div class="modal-foot">
          <button type="submit" class="primary small">
            {person === null ? "Make the invitation" : "Save"}
          </button>
        </div>
      </Form>
      {person === null ? null : <AccountActions person={person} onDone={onDone} onProblem={setProblem} />}
    </Modal>
  );
}

function AccountActions(props: {
  readonly person: Person;
  readonly onDone: PersonFormProps["onDone"];
  readonly onProblem: (problem: string) => void;
}): JSX.Element {
  const { person, onDone, onProblem } = props;
  const { tell, me } = useSite();
  const run = async <T,>(work: Promise<Answered<T>>, then: (value: T) => void): Promise<void> => {
    const answered = await work;
    if (answered?.ok) then(answered.value);
    else onProblem(problemOf(answered));
  };
  const setDisabled = (disabled: boolean): void =>
    void run(people.change(person.id, { disabled }), () => {
      tell(`${person.name} is ${disabled ? "disabled and signed out" : "enabled"}.`);
      onDone(person.name, null);
    });
  return (
    <div class="account-actions">
      {person.disabled ? null : (
        <button
          type="button"
          class="plain"
          onClick={() => void run(people.invite(person.id), (made) => onDone(person.name, made))}
        >
          New invitation
        </button>
      )}
      <button
        type="button"
        class="plain"
        onClick={() => void run(people.signOut(person.id), ({ ended }) => tell(`Sessions ended: ${ended}.`))}
      >
        Sign out everywhere
      </button>
      {person.id === me.person.id ? null : (
        <button type="button" class="plain danger" onClick={() => setDisabled(!person.disabled)}>
          {person.disabled ? "Enable" : "Disable"}
        </button>
      )}
    </div>
  );
}

interface Draft {
  readonly name: string;
  readonly login: string;
  readonly roles: readonly Role[];
  readonly stores: string;
  readonly tasks: string;
  readonly skills: string;
}

function draftOf(person: Person | null): Draft {
  if (person === null) return { name: "", login: "", roles: ["reviewer"], stores: "", tasks: "", skills: "" };
  const { name, login, roles, stores, tasks, skills } = person;
  const list = (names: readonly string[] | null): string => (names ?? []).join(", ");
  return { name, login, roles, stores: list(stores), tasks: list(tasks), skills: list(skills) };
}

function givenOf({ name, login, roles, stores, tasks, skills }: Draft): NewPerson {
  return { name, login, roles, stores: scopeOf(stores), tasks: scopeOf(tasks), skills: namesOf(skills) };
}

/** Only what is different, so that two people at one account do not undo each other. */
function changesOf(person: Person, given: NewPerson): Partial<Person> {
  const entries = Object.entries(given) as [keyof NewPerson, unknown][];
  return Object.fromEntries(entries.filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(person[key])));
}

export function problemOf(answered: Answered<unknown>): string {
  if (answered === null) return "The hub cannot be reached. Nothing was changed; try again.";
  return answered.ok ? "" : `${answered.message}. ${answered.hint}`;
}
