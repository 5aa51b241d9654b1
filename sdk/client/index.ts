/** Asking an agent. Universal: Node (MQTT over TCP, WebSocket, HTTP) and browsers (WebSocket, HTTP). */
export { defaultPolicy, type ClientPolicy } from "./client-policy.ts";
export {
  type Client,
  type ClientLink,
  type ClientRefusal,
  type ClientStatus,
  type ObserveOptions,
} from "./client-port.ts";
export { connect, type ConnectOptions } from "./connect.ts";
/** For the agent, which is a client of an external broker by the same rules; not part of the package's entry. */
export { linkTransition, newLink, type LinkEvent, type LinkPolicy } from "./link-machine.ts";
export { memoryOutbox } from "./memory-outbox.ts";
export { type MqttTls } from "./mqtt-transport.ts";
export { type Outbox, type OutboxContents, type OutboxItem, type OutboxKind } from "./outbox.ts";
