import { HoldpointError, namePattern, type Exchange } from "../../protocol/index.ts";
import { type DeviceDirectory } from "../service.ts";

/** The directory as the HTTP door needs it, where every request brings its secret again. */
export interface SecretDirectory extends DeviceDirectory {
  /**
   * Names the secret of a device that is in force now, without telling it; null where the device may not connect.
   * Another device, a removed and added one and a disabled one never have the same.
   */
  secretVersion(device: string): string | null;
}

interface Known {
  readonly header: string;
  readonly device: string;
  readonly secretVersion: string;
}

/**
 * Who calls. A connection that sends the header again with which it was let in is let in by a comparison, as long as the
 * same secret is in force: no hash for each request, and a device that is removed is out with its next one. Nobody
 * learns from how long the comparison takes: a peer's header is compared only with what that peer itself has sent.
 */
export class Callers {
  readonly #devices: SecretDirectory;
  readonly #localDevice: string | null;
  /** The latest of each connection; gone with it. */
  readonly #known = new WeakMap<object, Known>();

  /** `localDevice`: whose name a caller on this machine without a token acts under, where a route allows that. */
  constructor(devices: SecretDirectory, localDevice: string | null) {
    this.#devices = devices;
    this.#localDevice = localDevice;
  }

  /** `Authorization: Bearer <device>.<secret>`, the one string that `holdpoint device add` prints. Errors: HP_UNAUTHORIZED. */
  device(exchange: Exchange): string | Promise<string> {
    const header = exchange.header("authorization");
    if (header === null) throw new HoldpointError("HP_UNAUTHORIZED", "there is no Authorization header");
    const known = this.#known.get(exchange.connection);
    if (known?.header === header && known.secretVersion === this.#devices.secretVersion(known.device)) {
      return known.device;
    }
    return this.#verified(exchange, header);
  }

  /**
   * The device of a call to an imitating endpoint: what the token says, or the local device for a caller on this machine
   * that sends no token, because such a system knows nothing of ours. Errors: HP_UNAUTHORIZED.
   */
  deviceOrLocal(exchange: Exchange): string | Promise<string> {
    const anonymous = exchange.header("authorization") === null && isLoopback(exchange.remote);
    return anonymous && this.#localDevice !== null ? this.#localDevice : this.device(exchange);
  }

  async #verified(exchange: Exchange, header: string): Promise<string> {
    const match = /^bearer +(\S{1,600})$/i.exec(header);
    const token = match?.[1] ?? "";
    const device = deviceOf(token, this.#devices);
    // Before the check: a secret that is changed while the check runs must not be taken for the one that was checked.
    const secretVersion = device === null ? null : this.#devices.secretVersion(device);
    if (device === null || !(await this.#devices.verify(device, token.slice(token.lastIndexOf(".") + 1)))) {
      throw new HoldpointError("HP_UNAUTHORIZED", "the bearer token is not a device's secret");
    }
    if (secretVersion !== null) this.#known.set(exchange.connection, { header, device, secretVersion });
    return device;
  }
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

function isLoopback(remote: string): boolean {
  return remote === "::1" || remote.startsWith("127.") || remote.startsWith("::ffff:127.");
}
