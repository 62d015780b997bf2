/** A role in Teleport that lets people into databases. */
import * as pulumi from "@pulumi/pulumi";
import { ACCESS_ROLE, accessRoleSpec } from "./access-role-document";
import { RegistrationArgs, TeleportResource } from "./resource";

/** Settings of a role; they become `kind: role, version: v6`, which Teleport 12 and newer understand. */
export interface TeleportAccessRoleArgs extends RegistrationArgs {
  /** Name in Teleport. A change replaces the role. */
  name: pulumi.Input<string>;
  /** Shown in Teleport. */
  description?: pulumi.Input<string>;
  /** Labels of the role itself. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /**
   * Labels that a database must all carry for the role to open it, each with one value or several. Becomes
   * `allow.db_labels`.
   */
  databaseLabels: pulumi.Input<Record<string, pulumi.Input<string | string[]>>>;
  /** Databases in PostgreSQL that may be connected to; `*` for all. Becomes `allow.db_names`. */
  databaseNames: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * PostgreSQL users that people may log in as, each by its name. Patterns, traits and reserved users are refused.
   * Becomes `allow.db_users`. Default: none, which is for `createDatabaseUser`.
   */
  databaseUsers?: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * PostgreSQL users that nobody who has the role may log in as, by whatever other role: besides CloudNativePG's own and
   * `teleport_admin`, which are always among them. Becomes `deny.db_users`. Default: none.
   */
  deniedUsers?: pulumi.Input<pulumi.Input<string>[]>;
  /** How long a login may last, in Go's notation. Becomes `options.max_session_ttl`. Default: `8h`. */
  maxSessionTtl?: pulumi.Input<string>;
  /**
   * Auto user provisioning: Teleport makes a PostgreSQL user of the person's name at login, and afterwards disables it
   * (`keep`) or tries to drop it (`best_effort_drop`, newer than Teleport 13, which drops the setting). Needs
   * `adminUser` on the database. Becomes `options.create_db_user` and `create_db_user_mode`. Default: off.
   */
  createDatabaseUser?: pulumi.Input<"keep" | "best_effort_drop">;
  /** PostgreSQL roles that such users become members of. Becomes `allow.db_roles`. Default: none. */
  databaseRoles?: pulumi.Input<pulumi.Input<string>[]>;
  /** Further `options` of the role, as Teleport names them, e.g. `client_idle_timeout: 15m`. Default: none. */
  options?: pulumi.Input<Record<string, unknown>>;
}

/** What is known of a role, without where to register it. */
export type AccessRoleSettings = pulumi.Unwrap<Omit<TeleportAccessRoleArgs, keyof RegistrationArgs | "options">> & {
  options?: Record<string, unknown>;
};

/**
 * A role in Teleport that opens databases to people, kept as declared. Besides what it allows, it denies the users of
 * CloudNativePG itself (`streaming_replica` and the `cnpg_*` ones), whatever other roles a person has.
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
