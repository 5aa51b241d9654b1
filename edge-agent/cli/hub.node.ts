import { Command, Option } from "commander";
import { roles, type Role } from "../../cloud-sync/hub/api/caller.ts";
import { startHub, type HubOptions } from "../../cloud-sync/hub/hub.node.ts";
import { loginSchema, personNameSchema, type NewPerson } from "../../cloud-sync/hub/people/accounts.ts";
import { openPeopleDesk } from "../../cloud-sync/hub/people/people-desk.node.ts";
import { HoldpointError, namePattern } from "../../protocol/index.ts";
import { createLogger } from "../../protocol/platform/log.node.ts";
import { hubDatabaseOptions, logLevelOption, port, type HubPlace, type LogLevel } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";
import { untilStopped } from "./signals.node.ts";

interface HubFlags extends HubPlace {
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: string;
  readonly ownHost: readonly string[];
  readonly proxy: readonly string[];
  readonly oidcIssuer?: string;
  readonly oidcClient?: string;
  readonly oidcName: string;
  readonly oidcDomain?: string;
  readonly oidcRole: readonly string[];
  readonly log: LogLevel;
  readonly json?: boolean;
}

/** `holdpoint hub`: runs the hub until it is told to stop. */
export function hubCommand(): Command {
  const command = new Command("hub")
    // Else this command would take the --data of the ones below it.
    .enablePositionalOptions()
    .description("Run the hub: escalations of every store reach people here, and their answers go back.")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <port>", "port to listen on, 0 for a free one", port, 8790)
    .option("--public-url <url>", "where people and agents reach this hub: https://hub.example")
    .option("--own-host <name>", "another name that the hub is called by (may be repeated)", gathered, [])
    .option("--proxy <address>", "address or network of a proxy before the hub (may be repeated)", gathered, [])
    .option("--oidc-issuer <url>", "OpenID Connect provider to sign in with; its secret in HOLDPOINT_HUB_OIDC_SECRET")
    .option("--oidc-client <id>", "id of this hub with the provider")
    .option("--oidc-name <name>", "what the page calls the provider", "single sign-on")
    .option(
      "--oidc-domain <domain>",
      "whoever has a verified address of it gets an account; the rest waits for an admin",
    )
    .option("--oidc-role <role>", "role of those accounts (may be repeated); reviewer unless told", gathered, [])
    .option("--json", "print one line for machines when the hub listens")
    .addOption(logLevelOption());
  for (const option of hubDatabaseOptions()) command.addOption(option);
  command.addCommand(personCommand());
  return command.action(async (flags: HubFlags) => {
    let admin: { readonly token: string; readonly path: string | null } | null = null;
    const hub = await startHub({
      ...hubOptions(flags),
      onAdminToken: (token, path) => (admin = { token, path }),
    });
    // Listened for before anybody is told that it runs: who is told may stop it at once.
    const stopped = untilStopped();
    announce(hub, flags, admin);
    await stopped;
    await hub.close();
  });
}

function hubOptions(flags: HubFlags): HubOptions {
  return {
    dataDir: flags.data,
    ...(flags.database === undefined ? {} : { database: flags.database }),
    ...(flags.publicUrl === undefined ? {} : { publicUrl: flags.publicUrl }),
    ...oidcOptions(flags),
    host: flags.host,
    port: flags.port,
    ownHosts: flags.ownHost,
    proxies: flags.proxy,
    logger: createLogger(flags.log, "hub"),
  };
}

/** The secret comes by the environment: a command line is seen by everybody on the machine. Errors: HP_USAGE. */
function oidcOptions(flags: HubFlags): Pick<HubOptions, "oidc"> {
  const { oidcIssuer: issuer, oidcClient: clientId, oidcName: name, oidcDomain: domain } = flags;
  if (issuer === undefined) return {};
  const clientSecret = process.env["HOLDPOINT_HUB_OIDC_SECRET"];
  if (clientId === undefined || clientSecret === undefined) {
    throw new HoldpointError("HP_USAGE", "--oidc-issuer needs --oidc-client and HOLDPOINT_HUB_OIDC_SECRET");
  }
  const rule = domain === undefined ? {} : { rule: { domain, roles: rolesOf(flags.oidcRole) } };
  return { oidc: { issuer, clientId, clientSecret, name, ...rule } };
}

function announce(
  hub: { readonly hubId: string; readonly url: string },
  flags: HubFlags,
  admin: { readonly token: string; readonly path: string | null } | null,
): void {
  const url = flags.publicUrl?.replace(/\/$/, "") ?? hub.url;
  const invitation = admin?.path == null ? null : `${url}${admin.path}`;
  const database = flags.database === undefined ? "sqlite" : "postgres";
  if (flags.json) {
    printJson({ hubId: hub.hubId, url: hub.url, database, adminToken: admin?.token ?? null, invitation });
    return;
  }
  printLine(`hub    ${url}`);
  printLine(`data   ${flags.data} (${database})`);
  if (admin === null) return;
  printLine("This is the first start. What follows is shown this once:");
  if (invitation !== null) printLine(`admin  ${invitation}`);
  printLine(`token  ${admin.token}`);
  printLine("The address sets the password of the account `admin`; programs send the token as Authorization: Bearer.");
}

interface PersonFlags extends HubPlace {
  readonly name?: string;
  readonly role: readonly string[];
  readonly store: readonly string[];
  readonly task: readonly string[];
  readonly publicUrl?: string;
  readonly json?: boolean;
}

/** Works on the database itself. A hub on SQLite that runs has it alone: then its page or API does the same. */
function personCommand(): Command {
  const command = new Command("person").description("Add people and invite them, beside the hub.");
  const common = (child: Command): Command => {
    for (const option of hubDatabaseOptions()) child.addOption(option);
    return child
      .option("--public-url <url>", "where people reach the hub", "http://127.0.0.1:8790")
      .option("--json", "print JSON for machines");
  };
  const run = async (flags: PersonFlags, work: (desk: Awaited<ReturnType<typeof openPeopleDesk>>) => Promise<Made>) => {
    const desk = await openPeopleDesk(flags.database ?? flags.data);
    try {
      const { token, path, expiresMs } = await work(desk);
      const url = `${flags.publicUrl?.replace(/\/$/, "") ?? ""}${path}`;
      if (flags.json) printJson({ invitation: url, token, expiresMs });
      else printLine(`invitation  ${url}   (until ${new Date(expiresMs).toISOString()}, once)`);
    } finally {
      await desk.close();
    }
  };
  common(command.command("add").argument("<login>", "login of the new account"))
    .description("add an account and print its invitation, once")
    .option("--name <name>", "name as others see it; the login unless told")
    .addOption(new Option("--role <role>", "role (may be repeated)").argParser(gathered).default([], "reviewer"))
    .option("--store <store>", "only this store (may be repeated)", gathered, [])
    .option("--task <task>", "only this task (may be repeated)", gathered, [])
    .action((login: string, flags: PersonFlags) => run(flags, (desk) => desk.add(newPerson(login, flags))));
  common(command.command("invite").argument("<login>", "login of the account"))
    .description("print a new invitation, with which the person sets a new password")
    .action((login: string, flags: PersonFlags) => run(flags, (desk) => desk.invite(login)));
  return command;
}

interface Made {
  readonly token: string;
  readonly path: string;
  readonly expiresMs: number;
}

/** Errors: HP_USAGE. */
function newPerson(login: string, flags: PersonFlags): NewPerson {
  const checkedLogin = loginSchema.safeParse(login);
  const checkedName = personNameSchema.safeParse(flags.name ?? login);
  if (!checkedLogin.success) throw new HoldpointError("HP_USAGE", `"${login}" cannot be a login`);
  if (!checkedName.success) throw new HoldpointError("HP_USAGE", `"${flags.name ?? login}" cannot be a name`);
  const badName = [...flags.store, ...flags.task].find((name) => !namePattern.test(name));
  if (badName !== undefined) throw new HoldpointError("HP_USAGE", `"${badName}" is not a name`);
  const scope = (names: readonly string[]): readonly string[] | null => (names.length === 0 ? null : names);
  return {
    ...{ login: checkedLogin.data, name: checkedName.data, roles: rolesOf(flags.role) },
    ...{ stores: scope(flags.store), tasks: scope(flags.task) },
  };
}

/** Errors: HP_USAGE. */
function rolesOf(names: readonly string[]): readonly Role[] {
  const given = names.length === 0 ? ["reviewer"] : names;
  const unknown = given.find((role) => !roles.includes(role as Role));
  if (unknown !== undefined) {
    throw new HoldpointError("HP_USAGE", `there is no role "${unknown}"`, { hint: `Roles: ${roles.join(", ")}.` });
  }
  return given as Role[];
}

function gathered(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
