import { HoldpointError, namePattern, type Exchange } from "../../protocol/index.ts";
import { type DeviceDirectory } from "../service.ts";

/**
 * The device that calls: `Authorization: Bearer <device>.<secret>`, the one string that `holdpoint device add` prints.
 * Errors: HP_UNAUTHORIZED.
 */
export async function callingDevice(exchange: Exchange, devices: DeviceDirectory): Promise<string> {
  const header = exchange.header("authorization");
  if (header === null) throw new HoldpointError("HP_UNAUTHORIZED", "there is no Authorization header");
  const match = /^bearer +(\S{1,600})$/i.exec(header);
  const token = match?.[1] ?? "";
  const device = deviceOf(token, devices);
  if (device === null || !(await devices.verify(device, token.slice(token.lastIndexOf(".") + 1)))) {
    throw new HoldpointError("HP_UNAUTHORIZED", "the bearer token is not a device's secret");
  }
  return device;
}

/** Names have dots, the random part has none: the last dot divides them. */
function deviceOf(token: string, devices: DeviceDirectory): string | null {
  const dot = token.lastIndexOf(".");
  const name = dot > 0 ? token.slice(0, dot) : "";
  // A client that was given the whole secret beside the name puts the name in front of it once more.
  const half = (name.length - 1) / 2;
  const twice = name.length % 2 === 1 && name === `${name.slice(0, half)}.${name.slice(0, half)}`;
  const device = twice && !devices.has(name) ? name.slice(0, half) : name;
  return namePattern.test(device) ? device : null;
}

/**
 * The device of a call to an imitating endpoint: what the token says, or `localDevice` for a caller on this machine that
 * sends no token, because such a system knows nothing of ours. Errors: HP_UNAUTHORIZED.
 */
export async function callingDeviceOrLocal(
  exchange: Exchange,
  devices: DeviceDirectory,
  localDevice: string | null,
): Promise<string> {
  const anonymous = exchange.header("authorization") === null && isLoopback(exchange.remote);
  return anonymous && localDevice !== null ? localDevice : callingDevice(exchange, devices);
}

function isLoopback(remote: string): boolean {
  return remote === "::1" || remote.startsWith("127.") || remote.startsWith("::ffff:127.");
}
