/** An application's identity in Teleport, and its access to its databases. */
import * as pulumi from "@pulumi/pulumi";
import { refuse } from "../problems";
import { TeleportBot, TeleportAccessRole, TeleportJoinToken } from "../teleport/resources/resource";
import {
  certificateTimes,
  joinRules,
  MachineIdOutputs,
  machineIdOutputs,
  MachineIdSettings,
  WorkloadDatabase,
  workloadRole,
  checkMachineId,
} from "./machine-id";

/** A database that the application may use. Its parts may come from the platform's stack. */
export type WorkloadDatabaseArgs = { [Part in keyof WorkloadDatabase]: pulumi.Input<WorkloadDatabase[Part]> } & {
  port?: number;
};

/** Settings of an application's identity. */
export interface MachineIdWorkloadArgs extends Omit<MachineIdSettings, "name" | "proxy" | "databases"> {
  /** The Teleport cluster. The pods use its proxy as well. */
  teleport: { proxy: pulumi.Input<string>; credentials?: string };
  /** Name in Teleport. Default: the name of the resource. */
  name?: string;
  /** Databases, by the application's own name for each. */
  databases: Record<string, WorkloadDatabaseArgs>;
  /**
   * Take over resources that have these names in Teleport and belong to someone else. Default: false, which refuses.
   */
  adopt?: boolean;
}

/**
 * Gives an application access to databases with certificates that its pods get by proving their identity. There is no
 * password and no stored secret. The component creates in Teleport a role for each database, which opens only that
 * database; a bot that may use these roles; and the join token that admits only the application's pods. Deleting the
 * component removes them all. The application loses its access when its current certificate expires, after
 * `certificateTtl` at the latest.
 *
 * Use `outputs` with `tbotPod` in the application's stack to build its pods.
 *
 * The program's identity needs the right to write roles, tokens and bots: see `workloadRegistrarRole`.
 */
export class MachineIdWorkload extends pulumi.ComponentResource {
  /** The input of `tbotPod`, known once all of it is visible in Teleport. Not secret. */
  readonly outputs: pulumi.Output<MachineIdOutputs>;

  constructor(name: string, args: MachineIdWorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cnpg-teleport:workload:MachineIdWorkload", name, {}, opts);
    const { teleport, adopt, databases, ...rest } = args;
    const workload = args.name ?? name;
    const inTeleport = { teleport: pulumi.output(teleport), adopt };
    // Parts that a preview does not know yet are checked when they are known, and always before they are sent to Teleport.
    const settings = pulumi
      .all([pulumi.output(databases), teleport.proxy])
      .apply(([known, proxy]): MachineIdSettings => {
        const all = { ...rest, name: workload, proxy, databases: known };
        refuse(checkMachineId(name, all));
        return all;
      });

    const roles = Object.keys(databases).map((alias) => {
      const database = settings.apply((known) => databaseOf(known, alias));
      const databaseRoles = database.apply(({ roles = [] }) => roles);
      return new TeleportAccessRole(
        `${name}@${alias}`, // no alias contains "@", so no two resources have the same name
        {
          ...inTeleport,
          name: workloadRole(workload, alias),
          description: `Opens ${alias} to the application ${workload}`,
          databaseLabels: database.labels,
          databaseNames: database.database.apply((known) => [known]),
          databaseUsers: database.apply(({ user }) => (user === undefined ? [] : [user])),
          databaseRoles,
          createDatabaseUser: databaseRoles.apply((known) =>
            known.length > 0 ? "keep" : undefined,
          ) as pulumi.Output<"keep">,
          maxSessionTtl: certificateTimes(args).certificateTtl,
          options: { disconnect_expired_cert: args.endExpiredSessions ?? true },
        },
        { parent: this },
      );
    });
    // The bot gets the names from the roles' outputs, so it is created after the roles and deleted before them.
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
