import { createHash } from "node:crypto";
import { fewLabels } from "../../../models/measure/calibration-error.ts";
import { type ErrorContract } from "../../../models/measure/certify.ts";
import { decisionPrice } from "../../../models/measure/decision-costs.ts";
import { type ReportCosts } from "./contract-options.ts";
import { type GroupCertificate } from "./group-report.ts";
import { type Report, reportOf } from "./report-data.ts";
import { reportProgram } from "./report-page.web.ts";
import { reportStyle } from "./report-style.ts";
import { type Scores } from "./score-table.ts";
import { groupName, neededText, notesOf, percent, whole } from "./wording.ts";

/**
 * The report of `gate certify --html` and `gate curve --html`: one file that asks for nothing, not even a font. Its
 * policy names its one script and its one style sheet by their digests, so that no name of a group can become a program.
 */
export function reportHtml(scores: Scores, contract: ErrorContract, costs: ReportCosts | null = null): string {
  const report = reportOf(scores, contract);
  const program = reportProgram();
  const policy = `default-src 'none'; script-src '${digest(program)}'; style-src '${digest(reportStyle)}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gate report</title>
<style>${reportStyle}</style>
</head>
<body>
<main>
${head(report, scores, contract)}
${chooser(report)}
<div class="pair">
${curveSection()}
${reliabilitySection(report)}
</div>
${groupTable(report)}
${offerTable(report, contract, costs)}
${method(contract)}
</main>
<script type="application/json" id="data">${JSON.stringify(report.data).replaceAll("<", "\\u003c")}</script>
<script>${program}</script>
</body>
</html>
`;
}

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function head({ certificates, groupsLeftOut }: Report, scores: Scores, { maxError, delta }: ErrorContract): string {
  const [all] = certificates;
  const notes = [
    ...notesOf(scores),
    ...(groupsLeftOut > 0 ? [`${whole(groupsLeftOut)} further groups are not shown here; --json has them all`] : []),
  ];
  return `<h1>${escaped(all === undefined ? "Gate report" : verdict(all))}</h1>
<p class="quiet">Contract: at most ${percent(maxError, 2)} wrong among the accepted, with a chance of at most ${percent(delta, 2)} that this fails.
${notes.map((note) => `${escaped(note)}.`).join(" ")}</p>`;
}

function verdict(certificate: GroupCertificate): string {
  const { threshold, n, coverage } = certificate;
  if (threshold === null) return `${whole(n)} labels certify nothing; ${neededText(certificate)}`;
  return `Gate threshold ${threshold} is certified: it accepts ${percent(coverage)}`;
}

function chooser({ data }: Report): string {
  if (data.groups.length === 1) return "";
  const options = data.groups.map(({ name }) => `<option>${escaped(name)}</option>`);
  return `<p><label for="group">Drawn below</label> <select id="group">${options.join("")}</select></p>`;
}

function curveSection(): string {
  return `<section aria-labelledby="curve-title">
<h2 id="curve-title">Risk and coverage</h2>
<figure><svg id="curve" viewBox="0 0 660 356" role="img" aria-label="Selective risk over coverage, with its interval"></svg>
<figcaption class="quiet">Line: share of wrong answers among the accepted. Band: its 95 % interval at each point (Clopper–Pearson).
Dot: the certified gate threshold.</figcaption></figure>
<label for="what">What if the gate threshold were another?</label>
<input type="range" id="what" min="0" max="0" value="0" step="1">
<dl aria-live="polite">
<dt>Gate threshold</dt><dd id="what-threshold"></dd>
<dt>Coverage, 95 % interval</dt><dd id="what-coverage"></dd>
<dt>To people, of 1,000</dt><dd id="what-reviews"></dd>
<dt>Wrong among the accepted, 95 % interval</dt><dd id="what-risk"></dd>
<dt>Wrong accepts, of 1,000</dt><dd id="what-wrong"></dd>
<dt>Standing</dt><dd id="what-standing"></dd>
</dl>
</section>`;
}

function reliabilitySection({ ece, data }: Report): string {
  const labels = data.groups[0]?.n ?? 0;
  return `<section aria-labelledby="reliability-title">
<h2 id="reliability-title">Reliability</h2>
<figure><svg id="reliability" viewBox="0 0 660 356" role="img" aria-label="Share of right answers over confidence; the table below has the numbers"></svg>
<figcaption class="quiet">Bars and dots: share of right answers of 15 equal ranges of confidence, with 95 % intervals (Clopper–Pearson).
Hollow bars rest on fewer than ${fewLabels} labels. Dashed line: what a calibrated confidence would give. Expected calibration error of all ${whole(labels)} labels: ${ece.toFixed(4)}.</figcaption></figure>
<details><summary>The numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="Reliability, numbers"><table>
<thead><tr><th scope="col">Confidence</th><th scope="col">Labels</th><th scope="col">Mean</th><th scope="col">Right</th><th scope="col">95 % interval</th></tr></thead>
<tbody id="bins"></tbody></table></div></details>
</section>`;
}

function groupTable({ certificates }: Report): string {
  const rows = certificates.map(
    (certificate) => `<tr><th scope="row">${escaped(groupName(certificate.group))}</th>${cells(certificate)}</tr>`,
  );
  return `<section aria-labelledby="groups-title"><h2 id="groups-title">Certificates</h2>
<p class="quiet" id="groups-about">Each row by itself: fallback_auto with the exact binomial test; the bound is Clopper–Pearson's, one-sided, at the level that the row spent.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Certificates, table"><table aria-labelledby="groups-title" aria-describedby="groups-about">
<thead><tr><th scope="col">Group</th>${columns}</tr></thead><tbody>${rows.join("")}</tbody></table></div></section>`;
}

const columns = ["Labels", "Gate threshold", "Accepted", "Coverage", "Wrong", "Error at most", "Labels missing"]
  .map((name) => `<th scope="col">${name}</th>`)
  .join("");

function cells(certificate: GroupCertificate): string {
  const { n, threshold, accepted, coverage, errors, upperBound, level, labelsNeeded, tooManyErrors } = certificate;
  const missing = tooManyErrors ? "too many wrong" : `about ${whole(labelsNeeded)}`;
  const values =
    threshold === null
      ? [whole(n), "nothing certified", "0", percent(0), "–", "–", missing]
      : [
          ...[whole(n), String(threshold), whole(accepted), percent(coverage), whole(errors)],
          `${percent(upperBound ?? 1, 2)} (level ${(level ?? 0).toPrecision(3)})`,
          "0",
        ];
  return values.map((value) => `<td>${value}</td>`).join("");
}

function offerTable({ offers }: Report, { delta }: ErrorContract, costs: ReportCosts | null): string {
  const rows = offers.map(
    ({ maxError, certificate }) =>
      `<tr><th scope="row">≤ ${percent(maxError, 2)}</th>${cells(certificate)}${priceCells(certificate, costs)}</tr>`,
  );
  const names = ["To people, of 1,000", "Wrong accepts, of 1,000", ...(costs ? [`${costs.currency} per 1,000`] : [])];
  const priced = names.map((name) => `<th scope="col">${name}</th>`).join("");
  const prices = costs
    ? ` One review costs ${costs.review} ${costs.currency}, one wrong accept ${costs.wrongAccept} ${costs.currency}.`
    : "";
  return `<section aria-labelledby="offers-title"><h2 id="offers-title">What a tighter or a looser contract would cost</h2>
<p class="quiet" id="offers-about">All rows of the file, δ = ${delta} for each line by itself. Choose a contract before you look at labels: the best of several is no longer certified at δ. The last columns are what these labels show, not bounds.${prices}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Other contracts, table"><table class="offers" aria-labelledby="offers-title" aria-describedby="offers-about">
<thead><tr><th scope="col">Contract</th>${columns}${priced}</tr></thead><tbody>${rows.join("")}</tbody></table></div></section>`;
}

function priceCells({ coverage, accepted, errors }: GroupCertificate, costs: ReportCosts | null): string {
  const risk = accepted === 0 ? 0 : errors / accepted;
  const { reviewsPer1000, wrongPer1000, costPer1000 } = decisionPrice({ coverage, risk }, costs);
  const values = [whole(Math.round(reviewsPer1000)), wrongPer1000.toFixed(1)];
  return [...values, ...(costPer1000 === null ? [] : [costPer1000.toFixed(2)])]
    .map((value) => `<td>${value}</td>`)
    .join("");
}

function method({ delta }: ErrorContract): string {
  return `<section aria-labelledby="method-title"><h2 id="method-title">What this rests on</h2>
<p>Method: <code>fallback_auto</code> (Learn then Test, Angelopoulos et al. 2021, with the exact binomial test and the fallback procedure of Wiens 2003).
With probability at least ${Number((1 - delta).toFixed(9))} over the labels, the certified gate threshold accepts no more than the contract's share of wrong answers,
for decisions drawn as these labels were: same model, same calibration, same mix of cases.</p>
<p>It does not cover decisions that a rule made, another model, a store or a season that the labels are not from, and it says nothing about one group of a certificate for all rows.
One set of labels is good for one certificate.</p></section>`;
}
