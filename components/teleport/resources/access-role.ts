/** A role in Teleport that gives people access to databases. */
import * as pulumi from "@pulumi/pulumi";
import { ACCESS_ROLE, accessRoleSpec } from "./access-role-document";
import { RegistrationArgs, TeleportResource } from "./resource";

/** Settings of a role. They become `kind: role, version: v6`, which Teleport 12 and newer understand. */
export interface TeleportAccessRoleArgs extends RegistrationArgs {
  /** Name in Teleport. A change replaces the role. */
  name: pulumi.Input<string>;
  /** Description that Teleport shows. */
  description?: pulumi.Input<string>;
  /** Labels of the role itself. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /**
   * Labels of the databases that the role opens. A database must have all of them, each with one of the given values.
   * Becomes `allow.db_labels`.
   */
  databaseLabels: pulumi.Input<Record<string, pulumi.Input<string | string[]>>>;
  /** Databases in PostgreSQL to which the role may connect; `*` for all. Becomes `allow.db_names`. */
  databaseNames: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * PostgreSQL users that people may log in as. Patterns, traits and reserved users are refused. Becomes
   * `allow.db_users`. Default: none, for roles with `createDatabaseUser`.
   */
  databaseUsers?: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * PostgreSQL users that people with this role may not log in as, even if another role allows it. CloudNativePG's
   * own users and `teleport_admin` are always denied. Becomes `deny.db_users`. Default: none.
   */
  deniedUsers?: pulumi.Input<pulumi.Input<string>[]>;
  /** Maximum duration of a login, in Go's notation. Becomes `options.max_session_ttl`. Default: `8h`. */
  maxSessionTtl?: pulumi.Input<string>;
  /**
   * Auto user provisioning: Teleport creates a PostgreSQL user with the person's name at login. After the session it
   * disables the user (`keep`) or tries to drop it (`best_effort_drop`; needs a newer Teleport than 13, which ignores
   * the setting). Needs `adminUser` on the database. Becomes `options.create_db_user` and `create_db_user_mode`.
   * Default: off.
   */
  createDatabaseUser?: pulumi.Input<"keep" | "best_effort_drop">;
  /** PostgreSQL roles of users that Teleport creates. Becomes `allow.db_roles`. Default: none. */
  databaseRoles?: pulumi.Input<pulumi.Input<string>[]>;
  /** Additional `options` of the role, with Teleport's names, e.g. `client_idle_timeout: 15m`. Default: none. */
  options?: pulumi.Input<Record<string, unknown>>;
}

/** The settings of a role, without the Teleport cluster. */
export type AccessRoleSettings = pulumi.Unwrap<Omit<TeleportAccessRoleArgs, keyof RegistrationArgs | "options">> & {
  options?: Record<string, unknown>;
};

/**
 * A role in Teleport that opens databases to people. It always denies CloudNativePG's own users (`streaming_replica`
 * and `cnpg_*`), whatever other roles a person has.
 *
 * The program's identity needs the right to write roles: see `accessRegistrarRole`.
 */
export class TeleportAccessRole extends TeleportResource {
  /** Name in Teleport, known once the role is visible there. */
  readonly roleName: pulumi.Output<string>;

  constructor(name: string, args: TeleportAccessRoleArgs, opts?: pulumi.CustomResourceOptions) {
    const { teleport: _teleport, adopt: _adopt, ...settings } = args;
    const document = {
      ...ACCESS_ROLE,
      metadata: { name: args.name, description: args.description ?? "", labels: args.labels ?? {} },
      spec: pulumi.output(settings).apply(accessRoleSpec),
    };
    super("AccessRole", name, args, document, opts);
    this.roleName = this.document.apply(({ metadata }) => metadata.name);
  }
}
