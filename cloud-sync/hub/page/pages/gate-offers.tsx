import { type JSX } from "preact";
import { type GateDetail, type GateOffer } from "../gates-api.web.ts";
import { gateText, methodTexts, moneyText, shareText } from "../gate-words.ts";
import { DataTable } from "../parts/data-table.tsx";
import { countText } from "../words.ts";

/** What a tighter or a looser promise would cost, in people, in wrong accepts and in money. */
export function GateOffers({ gate }: { readonly gate: GateDetail }): JSX.Element {
  const { offers, costs, contract, isMeanOfStores } = gate;
  const [first] = offers;
  const columns = [
    {
      name: "Promise",
      cell: ({ maxError }: GateOffer) =>
        `≤ ${shareText(maxError)} wrong${maxError === contract?.maxError ? " (now)" : ""}`,
    },
    { name: "Gate threshold", cell: ({ gateThreshold }: GateOffer) => gateText(gateThreshold), isNumber: true },
    { name: "Coverage", cell: ({ coverage }: GateOffer) => shareText(coverage), isNumber: true, isMinor: true },
    {
      name: "Wrong labels",
      cell: ({ errors, accepted }: GateOffer) => `${countText(errors)} of ${countText(accepted)}`,
      isNumber: true,
      // Where there is little room, what it costs is what people look for.
      isMinor: true,
    },
    {
      name: "Reviews per 1,000",
      cell: ({ reviewsPer1000 }: GateOffer) => countText(Math.round(reviewsPer1000)),
      isNumber: true,
    },
    {
      name: "Wrong accepts per 1,000",
      cell: ({ wrongPer1000 }: GateOffer) => wrongPer1000.toFixed(1),
      isNumber: true,
    },
  ];
  const money = {
    name: "Cost per 1,000",
    cell: ({ costPer1000 }: GateOffer) => moneyText(costPer1000, costs?.currency),
    isNumber: true,
  };
  return (
    <section class="panel-card" aria-labelledby="offers-title">
      <h2 id="offers-title">What another promise would cost</h2>
      <DataTable
        caption="What a tighter or a looser promise would cost"
        rows={offers}
        keyOf={({ maxError }) => String(maxError)}
        columns={costs === null ? columns : [...columns, money]}
      />
      <p class="quiet">
        By the {countText(first?.labels ?? 0)} newest labels ({methodTexts[first?.method ?? ""] ?? first?.method}), held
        to less by what reviewers overlook. A preview that spends no δ: another promise has to prove itself with labels
        of its own, and until then everything goes to people.{" "}
        {costs === null
          ? "With the task's costs in the config it is told in money as well."
          : `One review costs ${moneyText(costs.review, costs.currency)}, one wrong accept ${moneyText(costs.wrongAccept, costs.currency)}${isMeanOfStores ? " on average over the stores' decisions" : ""}.`}
      </p>
    </section>
  );
}
