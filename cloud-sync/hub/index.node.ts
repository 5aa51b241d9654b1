/** `holdpoint/hub`: the hub, for programs that run it themselves instead of the command. */
export { startHub, type HubOidcOptions, type HubOptions, type RunningHub } from "./hub.node.ts";
export { type ReviewPolicy } from "../review/review-machine.ts";
