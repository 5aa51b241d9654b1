import { silentLogger } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { startHttp, type HttpOptions } from "../../edge-agent/http/http.node.ts";
import { createMetrics } from "../../edge-agent/metrics.node.ts";
import { knownDevices } from "./door-mqtt.ts";
import { DoorMetrics, DoorService } from "./door-service.ts";

export interface HttpDoorUnderTest {
  readonly service: DoorService;
  readonly metrics: DoorMetrics;
  readonly url: string;
  readonly port: number;
  /** With camera-1's secret unless `device` says otherwise; null sends none. */
  call(path: string, init?: RequestInit & { readonly device?: string | null }): Promise<Response>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

export async function openHttp(options: Partial<HttpOptions> = {}): Promise<HttpDoorUnderTest> {
  const service = new DoorService();
  const metrics = new DoorMetrics();
  const prometheus = createMetrics({ status: () => service.status() });
  const server = await startHttp({
    service,
    devices: knownDevicesByRandomPart,
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    clock: systemClock,
    random: systemRandom,
    hasher: nodeHasher,
    metrics,
    metricsText: () => prometheus.text(),
    ...options,
  });
  const call: HttpDoorUnderTest["call"] = (path, { device = "camera-1", headers, ...init } = {}) =>
    fetch(`${server.url}${path}`, {
      ...init,
      headers: {
        ...(device === null ? {} : { authorization: `Bearer ${device}.secret` }),
        ...(headers as Record<string, string>),
      },
    });
  return {
    service,
    metrics,
    url: server.url,
    port: server.port,
    call,
    post: (path, body, headers = {}) => {
      const bytes = body instanceof Uint8Array ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body);
      return call(path, { method: "POST", body: bytes, headers: { "content-type": "application/json", ...headers } });
    },
    close: async () => {
      await server.close(100);
      prometheus.close();
    },
  };
}

const knownDevicesByRandomPart = {
  ...knownDevices,
  secretVersion: (device: string): string | null => (knownDevices.has(device) ? device : null),
  verify: (device: string, secret: string): Promise<boolean> => knownDevices.verify(device, `${device}.${secret}`),
};
