import { type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Mark } from "../../../review/page/icons.tsx";
import { session } from "../api.web.ts";
import { type Refused } from "../ask.web.ts";
import { Form, TextField } from "../parts/form.tsx";
import type { HubSession } from "../session.ts";

export interface SignInProps {
  readonly methods: HubSession["methods"];
  readonly onSession: (session: HubSession) => void;
}

const unreachable = "The hub cannot be reached. Try again in a moment.";

export function SignIn({ methods, onSession }: SignInProps): JSX.Element {
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    document.title = "Sign in · Holdpoint";
  }, []);
  const submit = async (): Promise<void> => {
    setBusy(true);
    const answered = await session.signIn(login, password);
    setBusy(false);
    if (answered?.ok) onSession(answered.value);
    else setProblem(answered ? problemText(answered) : unreachable);
  };
  return (
    <main class="centre">
      <div class="card entrance">
        <Mark size={44} />
        <h1>Sign in</h1>
        <Form onSubmit={() => void submit()} problem={problem}>
          <TextField label="Login" value={login} onValue={setLogin} autoComplete="username" isRequired autoFocus />
          <TextField
            {...{ label: "Password", type: "password", autoComplete: "current-password", maxLength: 500 }}
            value={password}
            onValue={setPassword}
            isRequired
          />
          <button class="primary" type="submit" disabled={isBusy}>
            {isBusy ? "Signing in…" : "Sign in"}
          </button>
        </Form>
        {methods.oidc === null ? null : (
          <a class="plain wide" href="/v1/oidc/start" data-outside>
            Sign in with {methods.oidc}
          </a>
        )}
      </div>
    </main>
  );
}

function problemText({ code, message, retryAfterMs }: Refused): string {
  if (code !== "HP_RATE") return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  return `Too many tries. Wait ${Math.max(1, Math.ceil((retryAfterMs ?? 0) / 1000))} s, then try again.`;
}

function invitationProblem(refused: Refused): string {
  return refused.code === "HP_TOKEN" ? "This invitation is used or too old. Ask for a new one." : problemText(refused);
}

/** Sets the password of a new account with the token behind the `#` of the invitation's address. */
export function TakeInvitation(props: {
  readonly token: string;
  readonly onSession: (session: HubSession) => void;
}): JSX.Element {
  const [name, setName] = useState<string | null>(null);
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "Welcome · Holdpoint";
    void session.invited(props.token).then((answered) => {
      if (answered?.ok) {
        setName(answered.value.name);
        setLogin(answered.value.login);
      } else setProblem(answered ? invitationProblem(answered) : unreachable);
    });
  }, [props.token]);
  const submit = async (): Promise<void> => {
    setBusy(true);
    const answered = await session.takeInvitation(props.token, password);
    setBusy(false);
    if (answered?.ok) props.onSession(answered.value);
    else setProblem(answered ? `${answered.message}. ${answered.hint}` : unreachable);
  };
  return (
    <main class="centre">
      <div class="card entrance">
        <Mark size={44} />
        <h1>{name === null ? "Welcome" : `Welcome, ${name}`}</h1>
        <Form onSubmit={() => void submit()} problem={problem}>
          {name === null ? null : (
            <>
              <p class="quiet">
                Your login is <strong>{login}</strong>. Choose a password for it.
              </p>
              {/* So that the browser's password store knows whose it is. */}
              <input
                class="visually-hidden"
                tabIndex={-1}
                aria-hidden="true"
                readOnly
                autoComplete="username"
                value={login}
              />
              <TextField
                {...{ label: "New password", type: "password", autoComplete: "new-password", maxLength: 500 }}
                about="At least 12 characters; four words that belong to nothing are a good one."
                value={password}
                onValue={setPassword}
                isRequired
                autoFocus
              />
              <button class="primary" type="submit" disabled={isBusy}>
                {isBusy ? "One moment…" : "Set password and sign in"}
              </button>
            </>
          )}
        </Form>
        {name === null && problem !== null ? <SignInInstead /> : null}
      </div>
    </main>
  );
}

/** Whoever comes a second time with an invitation that they have taken up. */
function SignInInstead(): JSX.Element {
  return (
    <p>
      Who has a password can{" "}
      <a href="/" data-outside>
        sign in
      </a>
      .
    </p>
  );
}
