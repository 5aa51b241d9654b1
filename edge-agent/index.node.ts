/** `holdpoint/agent`: the agent, for programs that run it themselves instead of the command. */
export { startAgent, type AgentOptions, type Listener, type RunningAgent } from "./agent.node.ts";
export { type ReviewPolicy } from "../cloud-sync/review/review-machine.ts";
export { type HubLinkOptions } from "./hub-link.node.ts";
export { type OutgoingPicture, type Redact } from "./hub-briefs.node.ts";
export { openDecisionJournal, type DecisionJournalOptions } from "./decision-journal.node.ts";
export { type AgentService, type DeviceMessage, type Revision, type Submitted, type Taken } from "./service.ts";
export { addDevice, removeDevice } from "./devices/directory.node.ts";
export { openJournal, type JournalOptions } from "./journal/journal.node.ts";
export { openJournalReadOnly } from "./journal/journal-read-only.node.ts";
export {
  type CasePage,
  type CaseQuery,
  type Journal,
  type JournalCase,
  type JournalReader,
} from "./journal/journal.ts";
