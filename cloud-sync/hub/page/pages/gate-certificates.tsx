import { type JSX } from "preact";
import { type GateCertificate } from "../gates-api.web.ts";
import {
  basisTexts,
  certificateLines,
  endTexts,
  gateText,
  methodTexts,
  shareText,
  type CertificateLine,
} from "../gate-words.ts";
import { DataTable } from "../parts/data-table.tsx";
import { Ago, Badge } from "../parts/parts.tsx";
import { countText, digestShort, plural } from "../words.ts";

/** The certificates of a gate, each with its renewals as one line: what it rested on, and what ended it. */
export function Certificates({ certificates }: { readonly certificates: readonly GateCertificate[] }): JSX.Element {
  return (
    <section class="panel-card" aria-labelledby="certificates-title">
      <h2 id="certificates-title">Certificates</h2>
      <DataTable
        caption="Certificates, newest first"
        rows={certificateLines(certificates)}
        keyOf={({ last }) => last.id}
        columns={[
          { name: "Issued", cell: ({ first }) => <Ago atMs={first.issuedAtMs} /> },
          { name: "Why", cell: (line) => whyText(line) },
          { name: "Gate threshold", cell: ({ last }) => <Held {...last} />, isNumber: true },
          {
            name: "Wrong",
            cell: ({ last: { errors, accepted } }) => `${countText(errors)} of ${countText(accepted)}`,
            isNumber: true,
            // Where there is little room, the bound says what they came to.
            isMinor: true,
          },
          {
            name: "Error bound",
            cell: ({ last: { upperBound } }) => (upperBound === null ? "–" : shareText(upperBound)),
            isNumber: true,
          },
          { name: "Ended", cell: ({ last: { ended } }) => <Ended ended={ended} /> },
          { name: "Epoch", cell: ({ last }) => last.epoch, isNumber: true, isMinor: true },
          {
            name: "Model",
            cell: ({ last: { model } }) => <code title={model}>{digestShort(model)}</code>,
            isMinor: true,
          },
          { name: "How", cell: ({ last: { method } }) => methodTexts[method] ?? method, isMinor: true },
        ]}
      />
      <p class="quiet">
        Where somebody raised a gate threshold or it lapsed, the wrong ones and the bound are of the proved one.
      </p>
    </section>
  );
}

function whyText({ last: { basis, renewal } }: CertificateLine): string {
  const why = basisTexts[basis] ?? basis;
  return renewal > 1 ? `${why}, ${plural(renewal - 1, "renewal")}` : why;
}

/** What is in force, and what was proved where that is another one. */
function Held({ gateThreshold, provedGateThreshold: proved }: GateCertificate): JSX.Element {
  return (
    <>
      {gateText(gateThreshold)}
      {proved === undefined ? null : <span class="quiet"> proved at {gateText(proved)}</span>}
    </>
  );
}

function Ended({ ended }: Pick<GateCertificate, "ended">): JSX.Element {
  if (ended === null) return <Badge tone="good">in force</Badge>;
  return (
    <>
      {endTexts[ended.why] ?? ended.why}
      {ended.atMs === null ? null : (
        <span class="quiet">
          , <Ago atMs={ended.atMs} />
        </span>
      )}
    </>
  );
}
