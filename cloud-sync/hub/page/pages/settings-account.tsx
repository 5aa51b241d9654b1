import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { session as sessionApi } from "../api.web.ts";
import { Form, TextField } from "../parts/form.tsx";
import { PageHead } from "../parts/parts.tsx";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { timeText } from "../words.ts";
import { problemOf } from "./person-form.tsx";
import { SettingsNav } from "./settings-nav.tsx";
import { TokensCard } from "./tokens-card.tsx";

/** One's own account, and the tokens of programs. */
export function AccountSettings(): JSX.Element {
  const { me, sessionIs } = useSite();
  const { person, endsMs } = me;
  const leave = async (): Promise<void> => {
    await sessionApi.signOut();
    sessionIs(null);
  };
  return (
    <main id="main" class="page">
      <PageHead title="Settings">
        <button type="button" class="plain" onClick={() => void leave()}>
          Sign out
        </button>
      </PageHead>
      <SettingsNav />
      <section class="panel-card" aria-labelledby="account-title">
        <h2 id="account-title">Your account</h2>
        <dl class="facts-list">
          <Fact name="Name" value={person.name} />
          <Fact name="Login" value={person.login} />
          <Fact name="Roles" value={person.roles.join(", ")} />
          <Fact name="Stores" value={person.stores?.join(", ") ?? "every store"} />
          <Fact name="Tasks" value={person.tasks?.join(", ") ?? "every task"} />
          <Fact name="Skills" value={person.skills.length === 0 ? "none" : person.skills.join(", ")} />
          <Fact name="Signed in until" value={timeText(endsMs)} />
        </dl>
      </section>
      <PasswordCard />
      {may(me, "people.read") ? <TokensCard /> : null}
    </main>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function PasswordCard(): JSX.Element {
  const { tell } = useSite();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    const answered = await sessionApi.changePassword(current, next);
    setProblem(answered?.ok ? null : problemOf(answered));
    if (!answered?.ok) return;
    setCurrent("");
    setNext("");
    tell("Your password is changed. Your other sessions have ended.");
  };
  return (
    <section class="panel-card" aria-labelledby="password-title">
      <h2 id="password-title">Password</h2>
      <Form onSubmit={() => void save()} problem={problem}>
        <div class="form-row">
          <TextField
            {...{ label: "Current password", type: "password", autoComplete: "current-password", maxLength: 500 }}
            value={current}
            onValue={setCurrent}
          />
          <TextField
            {...{ label: "New password", type: "password", autoComplete: "new-password", maxLength: 500 }}
            value={next}
            onValue={setNext}
          />
        </div>
        <button type="submit" class="primary small" disabled={current === "" || next === ""}>
          Change the password
        </button>
      </Form>
    </section>
  );
}
