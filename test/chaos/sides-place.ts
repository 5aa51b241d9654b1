import { newId, type DecisionRequest, type Input } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { agentPlace, type AgentPlace } from "../support/agent-process.ts";
import { pair, temporaryFolder, writeModel } from "../support/models-fixtures.ts";

export const sidesTask = "sides";

/** A tiny model that is sure of most rows, and people who never look: a doubtful case is settled after `reviewWithin`. */
export function sidesConfig(options: { readonly gate?: number; readonly reviewWithin?: string } = {}): string {
  return `store_id: store_1
models:
  sides: { model: sides@^1, batch_size: 8 }
thresholds: { sides: ${options.gate ?? 0.9} }
tasks:
  sides:
    audit_share: 0
    review_within: ${options.reviewWithin ?? "500ms"}
    fallback: [human_review, safe_action]
    safe_action: { label: left }
  people_only: { safe_action: { label: ask-shopper } }
`;
}

/** A data directory with the tiny model of two numbers. */
export async function sidesPlace(
  options: { readonly devices?: readonly string[]; readonly config?: string } = {},
): Promise<AgentPlace> {
  const folder = temporaryFolder();
  try {
    return await agentPlace({
      config: options.config ?? sidesConfig(),
      devices: options.devices ?? ["camera-1", "till-1"],
      modelFolder: writeModel(folder.path, "sides"),
    });
  } finally {
    folder.remove();
  }
}

/** Four in five rows are clear, the fifth is doubtful and goes to people. */
export function sidesInput(random: () => number): Input {
  return random() < 0.8 ? pair(3, 0) : pair(0.01, 0);
}

export function sidesRequest(random: () => number): DecisionRequest {
  const id = newId(systemClock, systemRandom);
  return { v: 1, id, task: sidesTask, at: systemClock.wallMs(), input: sidesInput(random) };
}
