import { callHub } from "../support/hub-agent.ts";
import { hubbedAgent } from "../support/edge-agent-hub.ts";
import { quantile, row, type BenchRow } from "./bench-row.ts";
import { fleetPlace, waitFor, type FleetPlace } from "./fleet-place.ts";
import { type StoreKind } from "./hub-place.ts";

const agents = 1_000;
const changes = 8;
const targetMs = 2_000;
/** Nobody's heartbeat brings the news: what is measured came through the feed. */
const beatSpreadMs = 5_000;

/**
 * A layer of the fleet is changed while a thousand agents wait at their feeds: from the call that changes it to the
 * moment at which each of them has pulled the new bundle and checked its signature. Beside them runs one whole agent, for
 * which it counts when the config is in force.
 */
export async function hubConfigRows(): Promise<readonly BenchRow[]> {
  return [await configRow("sqlite"), await configRow("postgres")];
}

async function configRow(kind: StoreKind): Promise<BenchRow> {
  const place = await fleetPlace(kind, agents);
  const { url, token } = place.hub;
  const made = await callHub(url, token, "POST", "/v1/fleet/tokens", { store: "store_1", agent: "whole" });
  const whole = await hubbedAgent({ url, token: String(made.json["token"]), pace: { feedWaitMs: 25_000 } });
  try {
    let adopted: number[] = [];
    let startMs = 0;
    const members = place.members.map((member) =>
      place.start(member, {
        startMsMax: beatSpreadMs,
        onAdopted: () => adopted.push(performance.now() - startMs),
      }),
    );
    const isReady = (): boolean => members.every(({ isConnected }) => isConnected);
    await waitFor(() => isReady() && whole.agent.hub?.().state.kind === "connected", 60_000, "the fleet is connected");
    const [each, last, inForce]: [number[], number[], number[]] = [[], [], []];
    const before = await place.hub.look();
    for (let change = 1; change <= changes; change += 1) {
      adopted = [];
      startMs = performance.now();
      const force = waitFor(() => whole.agent.hub?.().configVersion === change, 30_000, "the whole agent");
      await changeConfig(place, change);
      inForce.push(await force);
      await waitFor(() => adopted.length === agents, 30_000, `change ${change}`);
      each.push(...adopted);
      last.push(Math.max(...adopted));
    }
    const cpuMs = ((await place.hub.look()).cpuMs - before.cpuMs) / changes;
    const p95 = quantile(each, 0.95);
    return row(
      `config change to effect on ${agents.toLocaleString("en")} connected agents, p95, ${kind}, against 2 s`,
      p95 / targetMs,
      "≤ 1",
      `${p95.toFixed(0)} ms; p50 ${quantile(each, 0.5).toFixed(0)} ms, the last of all ${Math.max(...last).toFixed(0)} ms; in force at a whole agent beside them after ${Math.max(...inForce).toFixed(0)} ms at most; ${changes} changes, ${cpuMs.toFixed(0)} ms CPU of the hub each`,
    );
  } finally {
    await whole.close();
    await place.close();
  }
}

async function changeConfig({ hub }: FleetPlace, change: number): Promise<void> {
  const text = `thresholds:\n  product_identification: 0.9${change}\n`;
  const body = { text, why: "bench", revision: change - 1 };
  const { status, json } = await callHub(hub.url, hub.token, "PUT", "/v1/config/layers/fleet/-", body);
  if (status !== 200) throw new Error(`the hub answered ${status}: ${JSON.stringify(json)}`);
}
