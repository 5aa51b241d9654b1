/** Where the agent is: the environment says so, or what `holdpoint demo` wrote in this folder. */
import { readFile } from "node:fs/promises";

export interface AgentAddress {
  readonly mqttUrl: string;
  readonly httpUrl: string;
  readonly device: string;
  readonly secret: string;
}

interface DemoCredentials {
  readonly store: string;
  readonly mqtt: { readonly host: string; readonly port: number };
  readonly http: string;
  readonly devices: readonly { readonly device: string; readonly secret: string }[];
}

export async function agentAt(): Promise<AgentAddress> {
  const env = process.env;
  const { HOLDPOINT_MQTT: mqttUrl, HOLDPOINT_HTTP: httpUrl, HOLDPOINT_DEVICE: device, HOLDPOINT_SECRET: secret } = env;
  if (mqttUrl !== undefined && httpUrl !== undefined && device !== undefined && secret !== undefined) {
    return { mqttUrl, httpUrl, device, secret };
  }
  const demo = JSON.parse(await readFile(".holdpoint/demo-credentials.json", "utf8")) as DemoCredentials;
  const [first] = demo.devices;
  if (first === undefined) throw new Error("the demo has no devices");
  return { mqttUrl: `mqtt://${demo.mqtt.host}:${demo.mqtt.port}/${demo.store}`, httpUrl: demo.http, ...first };
}
