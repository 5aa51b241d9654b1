import { randomBytes } from "node:crypto";
import type { Client } from "aedes";
import { HoldpointError, namePattern } from "../../protocol/index.ts";
import { type AgentMetrics, type DeviceDirectory } from "../service.ts";
import { connectionOf } from "./aedes.node.ts";
import { type Peers } from "./peer.node.ts";
import { mayUseClientId } from "./topic-access.ts";

export interface AdmissionOptions {
  readonly devices: DeviceDirectory;
  readonly metrics: AgentMetrics;
  readonly peers: Peers;
  readonly connectionsPerDeviceMax: number;
}

/** A CONNECT as aedes has parsed it; what is written here is what aedes goes on with. */
export interface ConnectPacket {
  clientId?: string;
  clean?: boolean;
  username?: string;
  will?: unknown;
}

/** Who may connect, and under which client id. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Before the secret is looked at: what is wrong with the packet, or null. */
  preConnect(client: Client, packet: ConnectPacket): Error | null {
    // MQTT-3.1.2-14.
    if (willQos(packet.will) > 2) return new Error("the will's QoS is 3");
    const connection = connectionOf(client);
    if (connection === null) return null;
    // A will would be a message that no device sent. It is not kept; docs/protocol.md says so.
    delete packet.will;
    if ((packet.clientId ?? "") !== "") return null;
    // MQTT-3.1.3-8: without a client id there is nothing to keep a session under.
    if (packet.clean === false) connection.identifierRefused = true;
    // MQTT-3.1.3-6: we choose one.
    packet.clientId = `${packet.username ?? ""}-${randomBytes(9).toString("base64url")}`;
    return null;
  }

  /** Throws what CONNACK refuses with; the connection has its device afterwards. */
  async authenticate(client: Client, username: string | undefined, password: Buffer | undefined): Promise<void> {
    const { devices, metrics, peers } = this.#options;
    const connection = connectionOf(client);
    if (connection === null || connection.identifierRefused) throw refusal(2, "identifier rejected");
    const secret = password?.toString("utf8") ?? "";
    const known =
      username !== undefined &&
      namePattern.test(username) &&
      secret.length <= secretCharsMax &&
      (await this.#verified(username, secret));
    if (!known) {
      metrics.refused("mqtt", "HP_UNAUTHORIZED");
      throw refusal(4, "bad user name or password");
    }
    if (!mayUseClientId(client.id, username, (name) => devices.has(name))) {
      metrics.refused("mqtt", "HP_FORBIDDEN");
      throw refusal(2, "the client id must begin with the name of the device");
    }
    if (peers.countOf(username) >= this.#options.connectionsPerDeviceMax) {
      metrics.refused("mqtt", "HP_BUSY");
      throw refusal(3, "too many connections of this device");
    }
    connection.device = username;
  }

  async #verified(username: string, secret: string): Promise<boolean> {
    try {
      return await this.#options.devices.verify(username, secret);
    } catch (cause) {
      this.#options.metrics.refused("mqtt", HoldpointError.told(cause).code);
      throw refusal(3, "server unavailable");
    }
  }
}

function willQos(will: unknown): number {
  return typeof will === "object" && will !== null && "qos" in will && typeof will.qos === "number" ? will.qos : 0;
}

const secretCharsMax = 512;

/** CONNACK return codes: 2 identifier, 3 unavailable, 4 user name or password (MQTT-3.2.2.3). */
function refusal(returnCode: 2 | 3 | 4, message: string): Error & { returnCode: number } {
  return Object.assign(new Error(message), { returnCode });
}
