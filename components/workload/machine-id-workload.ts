/** An application's identity in Teleport, and its way to its databases. */
import * as pulumi from "@pulumi/pulumi";
import { refuse } from "../problems";
import { TeleportBot } from "../teleport/resources/bot";
import { TeleportAccessRole } from "../teleport/resources/access-role";
import { TeleportJoinToken } from "../teleport/resources/join-token";
import {
  certificateTimes,
  joinRules,
  MachineIdOutputs,
  machineIdOutputs,
  MachineIdSettings,
  WorkloadDatabase,
  workloadRole,
} from "./machine-id";
import { checkMachineId } from "./machine-id-check";

/** A database that the application may use; its parts may come from the platform's stack. */
export type WorkloadDatabaseArgs = { [Part in keyof WorkloadDatabase]: pulumi.Input<WorkloadDatabase[Part]> } & {
  port?: number;
};

/** Settings of an application's identity. */
export interface MachineIdWorkloadArgs extends Omit<MachineIdSettings, "name" | "proxy" | "databases"> {
  /** The Teleport cluster. Its proxy is what the pods are told as well. */
  teleport: { proxy: pulumi.Input<string>; credentials?: string };
  /** Name in Teleport. Default: the resource's. */
  name?: string;
  /** By the application's own name for each. */
  databases: Record<string, WorkloadDatabaseArgs>;
  /** Take over what has these names in Teleport and is not ours. Default: false, which refuses. */
  adopt?: boolean;
}

/**
 * Lets an application into the databases that it names, with certificates that its pods get by proving who they are: no
 * password, and no secret that anyone keeps. Makes in Teleport a role for each database, which opens that one, a bot that
 * may take these roles on, and the token by which only its pods join. Deleting it removes them all; the application is
 * shut out when the certificate that it has expires, `certificateTtl` at the latest.
 *
 * What the application's stack puts into its pods is made from `outputs`, by `tbotPod`.
 *
 * The program's identity needs the right to write roles, tokens and bots: see `workloadRegistrarRole`.
 */
export class MachineIdWorkload extends pulumi.ComponentResource {
  /** What `tbotPod` needs, once it is all visible in Teleport. Not secret. */
  readonly outputs: pulumi.Output<MachineIdOutputs>;

  constructor(name: string, args: MachineIdWorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cnpg-teleport:workload:MachineIdWorkload", name, {}, opts);
    const { teleport, adopt, databases, ...rest } = args;
    const workload = args.name ?? name;
    const inTeleport = { teleport: pulumi.output(teleport), adopt };
    // Whatever part is not known yet in a preview is checked when it is, and always before Teleport is given it.
    const settings = pulumi.all([pulumi.output(databases), teleport.proxy]).apply(([known, proxy]): MachineIdSettings => {
      const all = { ...rest, name: workload, proxy, databases: known };
      refuse(checkMachineId(name, all));
      return all;
    });

    const roles = Object.keys(databases).map((alias) => {
      const database = settings.apply((known) => databaseOf(known, alias));
      const made = database.apply(({ roles = [] }) => roles);
      return new TeleportAccessRole(
        `${name}@${alias}`, // "@" is in no alias, so that no two are alike
        {
          ...inTeleport,
          name: workloadRole(workload, alias),
          description: `Opens ${alias} to the application ${workload}`,
          databaseLabels: database.labels,
          databaseNames: database.database.apply((known) => [known]),
          databaseUsers: database.apply(({ user }) => (user === undefined ? [] : [user])),
          databaseRoles: made,
          createDatabaseUser: made.apply((known) => (known.length > 0 ? "keep" : undefined)) as pulumi.Output<"keep">,
          maxSessionTtl: certificateTimes(args).certificateTtl,
          options: { disconnect_expired_cert: args.endExpiredSessions ?? true },
        },
        { parent: this },
      );
    });
    // Named by the roles themselves: the bot comes after them, and goes before them.
    const bot = new TeleportBot(
      `${name}-bot`,
      { ...inTeleport, name: workload, roles: roles.map(({ roleName }) => roleName) },
      { parent: this },
    );
    const rules = joinRules(args.join);
    const token = rules
      ? new TeleportJoinToken(
          `${name}-token`,
          { ...inTeleport, name: workload, join: rules, botName: bot.botName },
          { parent: this },
        )
      : undefined;

    this.outputs = pulumi.all([settings, bot.botName, token?.tokenName]).apply(([known]) => machineIdOutputs(known));
    this.registerOutputs({ outputs: this.outputs });
  }
}

function databaseOf({ databases }: MachineIdSettings, alias: string): WorkloadDatabase {
  return databases[alias] ?? { service: "", labels: {}, database: "" };
}
