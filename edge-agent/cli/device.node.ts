import { Command } from "commander";
import { HoldpointError } from "../../protocol/index.ts";
import { readDevices } from "../devices/device-file.node.ts";
import { addDevice, removeDevice } from "../devices/directory.node.ts";
import { dataOption } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";

/** `holdpoint device`: who may connect to the agent of a data directory. A running agent follows within a second. */
export function deviceCommand(): Command {
  const command = new Command("device").description("add, list and remove the devices that may connect");
  withCommon(command.command("add").argument("<name>", "name of the device, for instance camera-3"))
    .description("add a device and print its secret, once")
    .action(async (name: string, { data, json }: CommonOptions) => {
      const secret = await addDevice(data, name, Date.now());
      print(json, { device: name, secret }, [
        `device  ${name}`,
        `secret  ${secret}`,
        "MQTT: user name = the device, password = the secret, client id begins with the device's name.",
        "HTTP: Authorization: Bearer <the secret>. It is not shown again.",
      ]);
    });
  withCommon(command.command("list"))
    .description("list the devices")
    .action(async ({ data, json }: CommonOptions) => {
      const devices = (await readDevices(data)).map(({ name, createdAt, disabled }) => ({ name, createdAt, disabled }));
      const lines = devices.map(
        ({ name, createdAt, disabled }) =>
          `${name}\t${new Date(createdAt).toISOString()}${disabled ? "\tdisabled" : ""}`,
      );
      print(json, { devices }, lines.length > 0 ? lines : ["no devices; add one with `holdpoint device add <name>`"]);
    });
  withCommon(command.command("remove").argument("<name>", "name of the device"))
    .description("remove a device and close its connections")
    .action(async (name: string, { data, json }: CommonOptions) => {
      if (!(await removeDevice(data, name))) {
        const hint = "`holdpoint device list` shows the devices.";
        throw new HoldpointError("HP_USAGE", `there is no device ${name} in ${data}`, { hint });
      }
      print(json, { removed: name }, [`removed ${name}`]);
    });
  return command;
}

interface CommonOptions {
  readonly data: string;
  readonly json: boolean;
}

function withCommon(command: Command): Command {
  return command.addOption(dataOption()).option("--json", "print JSON for machines", false);
}

function print(json: boolean, value: unknown, lines: readonly string[]): void {
  if (json) printJson(value);
  else for (const line of lines) printLine(line);
}
