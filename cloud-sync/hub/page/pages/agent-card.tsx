import { type JSX } from "preact";
import { useState } from "preact/hooks";
import { labelText } from "../../../review/page/wording.ts";
import type { AgentReport } from "../../fleet/agent-report.ts";
import { fleet } from "../api.web.ts";
import { Form, TextField } from "../parts/form.tsx";
import { Modal } from "../parts/modal.tsx";
import { Ago, Badge, type Tone } from "../parts/parts.tsx";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { countText, digestShort, timeText } from "../words.ts";
import { problemOf } from "./person-form.tsx";

export interface AgentCardProps {
  readonly agent: AgentReport;
  readonly reload: () => void;
}

const stateTones: Readonly<Record<AgentReport["state"], Tone>> = {
  online: "good",
  offline: "bad",
  never: "warn",
  revoked: "bad",
};
const stateTexts: Readonly<Record<AgentReport["state"], string>> = {
  online: "online",
  offline: "offline",
  never: "never seen",
  revoked: "revoked",
};
const driftTexts: Readonly<Record<AgentReport["config"]["drift"], string>> = {
  same: "runs what the hub gives",
  behind: "has not applied the newest version yet",
  local: "differs: a file of the box says otherwise",
  none: "has no config of the hub",
  unknown: "is not known yet",
};

/** One box of a store: how it is, what it has not sent, what it runs. */
export function AgentCard({ agent, reload }: AgentCardProps): JSX.Element {
  const { me } = useSite();
  const [open, setOpen] = useState<"rename" | "revoke" | null>(null);
  const titleId = `agent-${agent.id}`;
  const { backlog, config, models, reasons } = agent;
  return (
    <section class="panel-card" aria-labelledby={titleId}>
      <div class="card-head">
        <h2 id={titleId}>
          {agent.name} <Badge tone={stateTones[agent.state]}>{stateTexts[agent.state]}</Badge>
          {agent.health === "degraded" ? <Badge tone="warn">degraded</Badge> : null}
          {agent.clonedMs === null ? null : <Badge tone="bad">cloned</Badge>}
        </h2>
        {may(me, "fleet.write") && agent.state !== "revoked" ? (
          <div class="page-actions">
            <button type="button" class="plain small" onClick={() => setOpen("rename")}>
              Rename
            </button>
            <button type="button" class="plain small danger" onClick={() => setOpen("revoke")}>
              Revoke
            </button>
          </div>
        ) : null}
      </div>
      {reasons.length > 0 ? (
        <ul class="reasons">
          {reasons.map(({ code, message }) => (
            <li key={code}>
              <span class="mono">{code}</span> {message}
            </li>
          ))}
        </ul>
      ) : null}
      <dl class="facts-list">
        <Fact name="Last heard">
          <Ago atMs={agent.seenMs} />
        </Fact>
        <Fact name="Backlog">{backlog.text}</Fact>
        <Fact name="Waiting for people">{countText(agent.waiting)}</Fact>
        <Fact name="In flight">{countText(agent.inFlight)}</Fact>
        <Fact name="Safe to power off">
          {agent.safeToPowerOff === null ? "not known" : agent.safeToPowerOff ? "yes" : "no"}
        </Fact>
        <Fact name="Config">
          {config.revision === null ? "" : `Revision ${config.revision}: `}
          {driftTexts[config.drift]}
          {config.drift === "behind" ? ` (${config.applied ?? 0} of ${config.wanted})` : ""}
        </Fact>
        <Fact name="Software">{agent.software ?? "not known"}</Fact>
        <Fact name="Enrolled">{timeText(agent.enrolledMs)}</Fact>
      </dl>
      {models.length > 0 ? <Models models={models} /> : null}
      {open === null ? null : (
        <ChangeAgent
          {...{ agent, what: open }}
          onClose={() => setOpen(null)}
          onDone={() => {
            setOpen(null);
            reload();
          }}
        />
      )}
    </section>
  );
}

function Fact({
  name,
  children,
}: {
  readonly name: string;
  readonly children: JSX.Element["props"]["children"];
}): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Models({ models }: Pick<AgentReport, "models">): JSX.Element {
  return (
    <ul class="models" aria-label="Models">
      {models.map(({ task, name, version, digest, provider }) => (
        <li key={task}>
          <span>{labelText(task)}</span>
          <strong>
            {name} {version}
          </strong>
          <span class="mono" title={digest}>
            {digestShort(digest)}
          </span>
          <Badge>{provider}</Badge>
        </li>
      ))}
    </ul>
  );
}

interface ChangeProps {
  readonly agent: AgentReport;
  readonly what: "rename" | "revoke";
  readonly onClose: () => void;
  readonly onDone: () => void;
}

function ChangeAgent({ agent, what, onClose, onDone }: ChangeProps): JSX.Element {
  const { tell } = useSite();
  const [text, setText] = useState(what === "rename" ? agent.name : "");
  const [problem, setProblem] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    const answered = await (what === "rename"
      ? fleet.rename(agent.id, text.trim())
      : fleet.revoke(agent.id, text.trim()));
    if (!answered?.ok) {
      setProblem(problemOf(answered));
      return;
    }
    tell(what === "rename" ? `It is called ${text.trim()} now.` : `${agent.name} is shut out.`);
    onDone();
  };
  return (
    <Modal title={what === "rename" ? `Rename ${agent.name}` : `Revoke ${agent.name}?`} onClose={onClose}>
      <Form onSubmit={() => void save()} problem={problem}>
        {what === "revoke" ? <p>It is shut out for good. To come back the box must be enrolled anew.</p> : null}
        <TextField label={what === "rename" ? "Name" : "Why"} value={text} onValue={setText} isRequired autoFocus />
        <div class="modal-foot">
          <button type="submit" class={what === "revoke" ? "plain danger" : "primary small"}>
            {what === "rename" ? "Rename" : "Revoke for good"}
          </button>
        </div>
      </Form>
    </Modal>
  );
}
