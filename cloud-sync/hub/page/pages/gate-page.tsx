import { type JSX } from "preact";
import { labelText } from "../../../review/page/wording.ts";
import { gates, type GateDetail } from "../gates-api.web.ts";
import { byEpoch, gateText, isRaised, shareText, sourceTexts } from "../gate-words.ts";
import { DataTable } from "../parts/data-table.tsx";
import { Chart } from "../parts/chart.tsx";
import { useLive } from "../parts/live.web.ts";
import { useLoaded } from "../parts/loading.ts";
import { Empty, NotYet, PageHead } from "../parts/parts.tsx";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { countText, durationText, plural, shortTimeText } from "../words.ts";
import { Certificates } from "./gate-certificates.tsx";
import { GateCurve } from "./gate-curve.tsx";
import { GateOffers } from "./gate-offers.tsx";
import { ProposalList } from "./gate-proposals.tsx";
import { RaiseButtons } from "./gate-raise.tsx";
import { GateState } from "./gate-state.tsx";

const everyMs = 30_000;

/** One gate: what is proved, of what, and what another promise would mean. */
export function GatePage({ task }: { readonly task: string }): JSX.Element {
  const { place, me } = useSite();
  const [store, region, label] = ["store", "region", "label"].map((name) => place.query.get(name));
  const rung = place.query.get("rung");
  const of = { store: store ?? null, region: region ?? null, label: label ?? null, rung };
  const loaded = useLoaded(`gate ${task} ${JSON.stringify(of)}`, () => gates.one(task, of), everyMs);
  useLive("gates", loaded.reload);
  const { value } = loaded;
  const where = store ?? (region ? `Region ${region}` : "Fleet");
  return (
    <main id="main" class="page">
      <PageHead
        title={`${labelText(task)}${label ? `: ${labelText(label)}` : ""}${rung === "coarse" ? ", coarse answers" : ""}`}
        about={value ? `${where}, ${plural(value.storesTotal, "store")}` : undefined}
      >
        <a
          class="plain"
          href={gates.csvAddress(task, { store: store ?? null, rung: rung ?? null })}
          download
          data-outside
        >
          Labels as CSV
        </a>
        {value?.contract && may(me, "config.write") ? (
          <RaiseButtons {...{ gate: value, of, reload: loaded.reload }} />
        ) : null}
      </PageHead>
      <NotYet loaded={loaded} />
      {value ? <Detail gate={value} /> : null}
      <ProposalList task={task} />
    </main>
  );
}

function Detail({ gate }: { readonly gate: GateDetail }): JSX.Element {
  const { figures } = gate;
  return (
    <>
      <GateState gate={gate} />
      {figures.labels === 0 ? (
        <Empty title="No label has come yet.">They come with the answers of people and with outcomes.</Empty>
      ) : (
        <GateCurve gate={gate} />
      )}
      {gate.offers.length > 0 ? <GateOffers gate={gate} /> : null}
      <Capacity gate={gate} />
      {gate.evidence.length > 0 ? <Evidence gate={gate} /> : null}
      <Sources gate={gate} />
      {gate.certificates.length > 0 ? <Certificates certificates={gate.certificates} /> : null}
    </>
  );
}

/** What the promise and the people allow together, in reviews and in wrong ones. */
function Capacity({ gate }: { readonly gate: GateDetail }): JSX.Element | null {
  const { capacity, answerP95Ms, state } = gate;
  if (capacity === null && answerP95Ms === null) return null;
  return (
    <section class="panel-card" aria-labelledby="capacity-title">
      <h2 id="capacity-title">What contract and people allow</h2>
      {capacity === null ? null : (
        <p>
          {state !== null && isRaised(state) ? "The gate, as it is raised," : "The contract"} asks for{" "}
          <strong>{countText(Math.round(capacity.contract.reviewsPer1000))}</strong> reviews of 1,000 decisions, and
          people can take {countText(capacity.reviewsPer1000)}:{" "}
          {capacity.binds === "contract"
            ? "people keep up."
            : `people are what binds. ${countText(Math.round(capacity.spillPer1000))} of 1,000, those of the least expected loss, take the declared fallback.`}{" "}
          {capacity.capacity === null
            ? ""
            : `A gate that people could keep up with (${gateText(capacity.capacity.gateThreshold)}) would let ${capacity.capacity.wrongPer1000.toFixed(1)} wrong ones of 1,000 pass, against ${capacity.contract.wrongPer1000.toFixed(1)}.`}
        </p>
      )}
      {answerP95Ms === null ? null : (
        <p class="quiet">People answer within {durationText(answerP95Ms)} in 19 of 20 cases of the last hour.</p>
      )}
    </section>
  );
}

function Evidence({ gate }: { readonly gate: GateDetail }): JSX.Element {
  const { evidence, contract } = gate;
  const needed = contract ? Math.log(8 / contract.delta) : 0;
  const { atMs, values } = byEpoch(evidence, ({ lnEvidence }) => lnEvidence);
  const lines = [
    { name: "Evidence (ln E)", colour: "--bar-first", values },
    { name: "Needed at the start", colour: "--ink-quiet", values: atMs.map(() => needed), isDashed: true },
  ];
  return (
    <section class="panel-card" aria-labelledby="evidence-title">
      <h2 id="evidence-title">Evidence over time</h2>
      <Chart
        label={`Evidence over time: now ${(evidence.at(-1)?.lnEvidence ?? 0).toFixed(1)}, ${needed.toFixed(1)} is needed at the start`}
        {...{ atMs, lines }}
      />
      <p class="quiet">
        How strongly the labels speak for the gate threshold that they speak for most. The first one is proved at the
        dashed line; each epoch begins at nothing.
      </p>
      <details>
        <summary>The same as a table</summary>
        <DataTable
          caption="Evidence over time"
          rows={[...evidence].reverse().slice(0, 100)}
          keyOf={({ atMs }) => String(atMs)}
          columns={[
            { name: "At", cell: ({ atMs }) => shortTimeText(atMs) },
            { name: "Epoch", cell: ({ epoch }) => epoch, isNumber: true },
            { name: "Labels", cell: ({ labels }) => countText(labels), isNumber: true },
            { name: "Wrong", cell: ({ errors }) => countText(errors), isNumber: true },
            { name: "ln E", cell: ({ lnEvidence }) => lnEvidence.toFixed(2), isNumber: true },
            { name: "Gate threshold", cell: ({ gateThreshold }) => gateText(gateThreshold), isNumber: true },
          ]}
        />
      </details>
    </section>
  );
}

function Sources({ gate }: { readonly gate: GateDetail }): JSX.Element {
  const { sources, byRule, waiting } = gate;
  return (
    <section class="panel-card" aria-labelledby="sources-title">
      <h2 id="sources-title">Labels by source</h2>
      {sources.length === 0 ? (
        <p class="quiet">None.</p>
      ) : (
        <DataTable
          caption="Labels by source"
          rows={sources}
          keyOf={({ source }) => source}
          columns={[
            { name: "Who says so", cell: ({ source }) => sourceTexts[source] ?? source },
            { name: "Labels", cell: ({ labels }) => countText(labels), isNumber: true },
            { name: "Wrong", cell: ({ wrong }) => countText(wrong), isNumber: true },
            { name: "Share wrong", cell: ({ labels, wrong }) => shareText(wrong / labels), isNumber: true },
          ]}
        />
      )}
      <p class="quiet">
        {countText(waiting.open)} cases without an answer, {countText(waiting.pending)} where somebody is still to
        speak, {countText(waiting.ready)} not counted yet. Decided by rules, and outside of every certificate:{" "}
        {countText(byRule.labels)} labels, {countText(byRule.wrong)} wrong. A lead is asked where somebody contradicts
        the model, so most of those labels are wrong.
      </p>
    </section>
  );
}
