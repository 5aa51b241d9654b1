import { type AgentCaller } from "../api/caller.ts";
import { type HubEvent } from "../webhooks/hub-event.ts";

/** An event of one agent. */
export function agentEvent(
  type: HubEvent["type"] & `agent.${string}`,
  { agentId, store, name }: Pick<AgentCaller, "agentId" | "store" | "name">,
  more: Readonly<Record<string, unknown>>,
): HubEvent {
  return { type, store, data: { agentId, name, ...more } };
}
