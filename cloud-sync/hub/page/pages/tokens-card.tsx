import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { tokens, type ApiToken } from "../api.web.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { usePages } from "../parts/loading.ts";
import { Ago, Badge, Empty, MoreButton, NotYet, OnceShown } from "../parts/parts.tsx";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { timeText } from "../words.ts";
import { problemOf } from "./person-form.tsx";
import { TokenForm } from "./token-form.tsx";

/** Tokens with which programs call the hub. */
export function TokensCard(): JSX.Element {
  const { me, tell } = useSite();
  const loaded = usePages("tokens", tokens.list);
  const [isOpen, setOpen] = useState(false);
  const [made, setMade] = useState<string | null>(null);
  const canWrite = may(me, "people.write");
  const revoke = async (token: ApiToken): Promise<void> => {
    const answered = await tokens.revoke(token.id);
    tell(answered?.ok ? `${token.name} is revoked.` : problemOf(answered));
    loaded.reload();
  };
  const columns = columnsOf(canWrite ? (token) => void revoke(token) : null);
  const { value } = loaded;
  return (
    <section class="panel-card" aria-labelledby="tokens-title">
      <div class="card-head">
        <h2 id="tokens-title">Tokens of programs</h2>
        {canWrite ? (
          <button type="button" class="plain" onClick={() => setOpen(true)}>
            New token
          </button>
        ) : null}
      </div>
      {made === null ? null : <OnceShown name="The new token; it is shown only now" text={made} />}
      <NotYet loaded={loaded} />
      {value?.length === 0 ? <Empty title="No program has a token." /> : null}
      {value !== null && value.length > 0 ? (
        <DataTable caption="Tokens of programs" columns={columns} rows={value} keyOf={({ id }) => id} />
      ) : null}
      <MoreButton loaded={loaded} />
      {isOpen ? (
        <TokenForm
          onClose={() => setOpen(false)}
          onMade={(token) => {
            setOpen(false);
            setMade(token);
            loaded.reload();
          }}
        />
      ) : null}
    </section>
  );
}

function columnsOf(revoke: ((token: ApiToken) => void) | null): readonly Column<ApiToken>[] {
  return [
    { name: "Name", cell: ({ name }) => name },
    { name: "Roles", cell: ({ roles }) => roles.map((role) => <Badge key={role}>{role}</Badge>) },
    { name: "Made", cell: ({ madeMs }) => <Ago atMs={madeMs} />, isMinor: true },
    { name: "Last used", cell: ({ usedMs }) => <Ago atMs={usedMs} /> },
    {
      name: "Ends",
      cell: ({ expiresMs }) => (expiresMs === null ? "when revoked" : timeText(expiresMs)),
      isMinor: true,
    },
    { name: "State", cell: (token) => <StateOf token={token} revoke={revoke} /> },
  ];
}

function StateOf(props: {
  readonly token: ApiToken;
  readonly revoke: ((token: ApiToken) => void) | null;
}): JSX.Element {
  const { token, revoke } = props;
  if (token.revokedMs !== null) return <Badge tone="bad">revoked</Badge>;
  if (revoke === null) return <Badge tone="good">active</Badge>;
  return (
    <button type="button" class="plain small" aria-label={`Revoke ${token.name}`} onClick={() => revoke(token)}>
      Revoke
    </button>
  );
}
