/** `holdpoint/node`: what the sdk has for Node alone. */
export { fileOutbox, type FileOutboxOptions } from "./client/file-outbox.node.ts";
