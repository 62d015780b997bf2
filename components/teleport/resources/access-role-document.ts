/** What a role that opens databases says, and what it must not say. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import { SettingProblem } from "../../problems";
import { parseDuration } from "../../go-duration";
import { checkDatabaseRoles, checkDatabaseUsers, DENIED_USERS } from "./reserved-users";
import type { TeleportDocument } from "../client/tctl";
import type { RegistrationArgs } from "./resource";

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

export const ACCESS_ROLE = { kind: "role", version: "v6" } as const;
const DEFAULT_TTL = "8h";

/** The document that Teleport is given. */
export function accessRole(settings: AccessRoleSettings): TeleportDocument {
  const { name, description = "", labels = {} } = settings;
  return { ...ACCESS_ROLE, metadata: { name, description, labels }, spec: accessRoleSpec(settings) };
}

/** Its `spec`. */
export function accessRoleSpec(settings: AccessRoleSettings): Record<string, unknown> {
  const { databaseLabels, databaseNames, databaseUsers = [], databaseRoles = [], createDatabaseUser } = settings;
  const { deniedUsers = [] } = settings;
  return {
    options: {
      ...settings.options,
      max_session_ttl: settings.maxSessionTtl ?? DEFAULT_TTL,
      create_db_user: createDatabaseUser !== undefined, // written when off, too: so that a hand's `true` is seen
      ...(createDatabaseUser === "best_effort_drop" ? { create_db_user_mode: createDatabaseUser } : {}),
    },
    allow: {
      db_labels: databaseLabels,
      db_names: databaseNames,
      db_users: databaseUsers,
      ...(databaseRoles.length > 0 ? { db_roles: databaseRoles } : {}),
    },
    // Holds on every database of the Teleport cluster: with `db_labels` beside it, Teleport denies the databases
    // themselves ("deny rules are greedy", lib/services/role.go; seen with 13.3.8).
    deny: { db_users: [...new Set([...DENIED_USERS, ...deniedUsers])] },
  };
}

/** Checks the spec of a role as it is sent; what is not known yet has to be left out. */
export function checkRoleSpec(setting: string, spec: Record<string, unknown>): SettingProblem[] {
  const options = (spec.options ?? {}) as Record<string, unknown>;
  const allow = (spec.allow ?? {}) as Record<string, unknown>;
  const labels = (allow.db_labels ?? {}) as Record<string, unknown>;
  const ttl = options.max_session_ttl;
  const all = Object.keys(labels).length === 0 || "*" in labels;
  const nobody = [allow.db_users].flat().length === 0 && options.create_db_user !== true;
  return [
    ...checkDatabaseUsers(`${setting}.allow.db_users`, allow.db_users),
    ...checkDatabaseRoles(`${setting}.allow.db_roles`, allow.db_roles),
    ...(all
      ? [
          {
            setting: `${setting}.allow.db_labels`,
            value: labels,
            problem: "opens no database, or every database of the Teleport cluster",
            fix: "Name labels, e.g. provisioned_by: cloudnative-pg and environment: dev.",
          },
        ]
      : []),
    ...(nobody
      ? [
          {
            setting: `${setting}.allow.db_users`,
            problem: "names no user, and users are not made at login either",
            fix: "Name the PostgreSQL users, or set createDatabaseUser.",
          },
        ]
      : []),
    ...(typeof ttl === "string" && (parseDuration(ttl) ?? 0) > 0
      ? []
      : [
          {
            setting: `${setting}.options.max_session_ttl`,
            value: ttl,
            problem: "is no duration that Teleport understands",
            fix: "Write hours, minutes and seconds, e.g. 8h or 1h30m.",
          },
        ]),
  ];
}
