import { type JSX } from "preact";
import { FactsTable } from "../../../review/page/facts-table.tsx";
import { labelText, percentText, whyText } from "../../../review/page/wording.ts";
import type { ReviewCase } from "../../../../protocol/index.ts";
import type { CaseStory } from "../../cases/case-story.ts";
import { cases } from "../api.web.ts";
import { answerShown, eventText, kindText, sourceText, stateText } from "../case-words.ts";
import { DataTable } from "../parts/data-table.tsx";
import { useLoaded } from "../parts/loading.ts";
import { Badge, NotYet, PageHead } from "../parts/parts.tsx";
import { addressOf } from "../router.ts";
import { digestShort, durationText, shortSecondText, timeText } from "../words.ts";

/** What a case's view has, as the store's agent made it (protocol/hub.ts). */
type View = Pick<
  ReviewCase,
  "context" | "facts" | "series" | "suggestions" | "gateThreshold" | "confidence" | "reasons" | "question" | "audit"
>;

/** One case's whole story. */
export function CasePage({ id }: { readonly id: string }): JSX.Element {
  const loaded = useLoaded(`case ${id}`, () => cases.story(id), 10_000);
  const { value } = loaded;
  return (
    <main id="main" class="page">
      <PageHead
        title={value === null ? "Case" : labelText(value.task)}
        about={value === null ? undefined : `${value.store}, ${value.device}, ${timeText(value.heldMs)}`}
      >
        {value ? (
          <div>
            <Badge tone={value.state === "open" ? "warn" : "good"}>{stateText(value.state)}</Badge>
            <Badge>{kindText(value.kind)}</Badge>
            {value.review?.hasConflict === true ? <Badge tone="bad">conflict</Badge> : null}
          </div>
        ) : null}
        <a class="plain" href="/cases">
          All cases
        </a>
      </PageHead>
      <NotYet loaded={loaded} />
      {value ? <Story story={value} /> : null}
    </main>
  );
}

function Story({ story }: { readonly story: CaseStory }): JSX.Element {
  // A view that an older agent made may lack something; nothing of it is worth a broken page.
  const view = { context: {}, facts: [], series: [], suggestions: [], reasons: [], ...story.view } as unknown as View;
  return (
    <>
      <div class="case-columns">
        <section class="panel-card" aria-labelledby="came-title">
          <h2 id="came-title">What came in</h2>
          <CaseInput story={story} view={view} />
        </section>
        <div class="config-side">
          <ModelCard story={story} view={view} />
          <OutcomeCard story={story} />
        </div>
      </div>
      <Answers answers={story.answers} />
      <Timeline story={story} />
    </>
  );
}

function CaseInput({ story, view }: { readonly story: CaseStory; readonly view: View }): JSX.Element {
  const { picture } = story;
  const isBare = view.facts.length + view.series.length === 0;
  return (
    <>
      {picture.url === null ? null : (
        <img class="case-picture" src={picture.url} alt={`Picture from ${story.device}`} draggable={false} />
      )}
      {picture.url === null && picture.state !== "none" ? (
        <p class="quiet">{picture.state === "wanted" ? "Its picture has not arrived yet." : "Its picture is gone."}</p>
      ) : null}
      {isBare ? null : <FactsTable held={view as ReviewCase} />}
      <dl class="facts-list">
        {Object.entries(view.context).map(([name, value]) => (
          <div key={name}>
            <dt>{labelText(name)}</dt>
            <dd>{String(value)}</dd>
          </div>
        ))}
        <div>
          <dt>Request</dt>
          <dd class="mono">{story.decisionId}</dd>
        </div>
      </dl>
    </>
  );
}

function ModelCard({ story, view }: { readonly story: CaseStory; readonly view: View }): JSX.Element {
  const model = story.firstDecision?.["model"] as
    { name?: string; version?: string; digest?: string } | null | undefined;
  return (
    <section class="panel-card" aria-labelledby="model-title">
      <h2 id="model-title">What the model said</h2>
      {story.kind === "import" ? null : <p class="why">{whyText({ ...view, audit: story.kind === "audit" })}</p>}
      {view.suggestions.length === 0 ? (
        <p class="quiet">No answer.</p>
      ) : (
        <ol class="said-list">
          {view.suggestions.map(({ label, confidence }) => (
            <li key={label}>
              <span>{labelText(label)}</span> <span class="quiet">{percentText(confidence)}</span>
            </li>
          ))}
        </ol>
      )}
      <dl class="facts-list">
        <div>
          <dt>Gate threshold</dt>
          <dd>{percentText(view.gateThreshold)}</dd>
        </div>
        {model ? (
          <div>
            <dt>Model</dt>
            <dd>
              {model.name} {model.version} <span class="mono quiet">{digestShort(model.digest ?? "")}</span>
            </dd>
          </div>
        ) : null}
        <div>
          <dt>Reasons</dt>
          <dd class="mono">{view.reasons.join(", ")}</dd>
        </div>
      </dl>
    </section>
  );
}

function OutcomeCard({ story }: { readonly story: CaseStory }): JSX.Element {
  const { review, outcomes, finalMs, dueMs } = story;
  return (
    <section class="panel-card" aria-labelledby="told-title">
      <h2 id="told-title">What the device was told</h2>
      <dl class="facts-list">
        <Line name="Decision" value={review?.finalLabel ? labelText(review.finalLabel) : "none yet"} />
        <Line name="Decided by" value={review?.finalBy ?? "–"} />
        <Line name="Final" value={finalMs === null ? "not yet" : timeText(finalMs)} />
        <Line name="Due" value={dueMs === null ? "nobody waits" : timeText(dueMs)} />
        <Line name="Sent from here" value={answerShown(review?.sentAnswer ?? null)} />
        <Line
          name="Best known truth"
          value={review?.label ? `${labelText(review.label)} (${sourceText(review.labelSource)})` : "not known"}
        />
        {outcomes.map(({ source, body, atMs }) => (
          <Line key={atMs} name={`The world, by ${source}`} value={JSON.stringify(body)} />
        ))}
      </dl>
    </section>
  );
}

function Line({ name, value }: { readonly name: string; readonly value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

type Answer = CaseStory["answers"][number];

function Answers({ answers }: { readonly answers: readonly Answer[] }): JSX.Element | null {
  if (answers.length === 0) return null;
  return (
    <section class="panel-card" aria-labelledby="answers-title">
      <h2 id="answers-title">Who answered</h2>
      <DataTable
        caption="Answers"
        rows={answers}
        keyOf={({ atMs, reviewer }) => `${atMs} ${reviewer}`}
        columns={[
          { name: "Who", cell: ({ reviewer }) => reviewer },
          { name: "Answer", cell: ({ answer }) => answerShown(answer) },
          {
            name: "Where",
            cell: ({ source, role }) => (source === "store" ? "in the store" : `hub, ${role ?? "first"}`),
          },
          { name: "Took", cell: ({ tookMs }) => (tookMs === null ? "" : durationText(tookMs)), isNumber: true },
          { name: "When", cell: ({ atMs }) => timeText(atMs) },
          { name: "Counted", cell: (answer) => <AnswerState answer={answer} /> },
        ]}
      />
    </section>
  );
}

function AnswerState({ answer }: { readonly answer: Answer }): JSX.Element {
  return (
    <>
      {answer.isLate ? <Badge tone="warn">late</Badge> : null}
      {answer.hasConflict ? <Badge tone="bad">conflict</Badge> : null}
      {answer.isRight === null ? null : answer.isRight ? (
        <Badge tone="good">right</Badge>
      ) : (
        <Badge tone="bad">wrong</Badge>
      )}
    </>
  );
}

function Timeline({ story }: { readonly story: CaseStory }): JSX.Element {
  return (
    <section class="panel-card" aria-labelledby="story-title">
      <h2 id="story-title">What happened</h2>
      <ol class="timeline">
        <li>
          <time dateTime={new Date(story.heldMs).toISOString()}>{shortSecondText(story.heldMs)}</time>
          <span>The store held it</span>
        </li>
        {story.events.map((event, index) => (
          <li key={index}>
            <time dateTime={new Date(event.atMs).toISOString()} title={timeText(event.atMs)}>
              {shortSecondText(event.atMs)}
            </time>
            <span>{eventText(event)}</span>
          </li>
        ))}
      </ol>
      {story.hasMoreEvents ? <p class="quiet">More happened than is shown here.</p> : null}
      <p class="quiet">
        <a href={addressOf("audit", null, { subject: `case:${story.id}` })}>Who has looked at it</a>
      </p>
    </section>
  );
}
