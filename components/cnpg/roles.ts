/**
 * PostgreSQL roles: those that people use through Teleport, as managed roles of the Cluster or as DatabaseRoles, with
 * their checks; and the names that are not for people, applications or owners. Pure.
 */
import type { KubernetesObject } from "../kubernetes/client";
import { SettingProblem } from "../problems";
import { type Amount, isPostgresName } from "../value-check";
import { databaseRoleName } from "./names";
import { POOLER_LOGINS } from "./pooler";

/** What a user may do with data: read it, read and write it, or only what `memberOf` allows. */
export type Access = "read" | "write" | "none";

/** A part of the instance that a user's access is limited to. */
export interface AccessScope {
  /** Name of a database. Default: the application's. */
  database?: string;
  /**
   * Schemas of the database. Default: all, also later ones, but without objects of extensions and superusers.
   * To include such objects, name their schema here; in the schema `public` they are never included. Rights in a schema
   * that does not exist yet are granted by the first `pulumi up` after its creation.
   */
  schemas?: string[];
}

/** A PostgreSQL role for logins through Teleport, with a certificate and never with a password. */
export interface TeleportUser {
  /** Name of the role; letters, digits and underscores. */
  name: string;
  /** `read`: SELECT. `write`: SELECT, INSERT, UPDATE, DELETE. `none`: only what `memberOf` allows. */
  access: Access;
  /**
   * Where the access applies. Default: every schema of every database. Objects that the owners of databases, schemas and
   * tables create later are included at once. Objects that others create are included by the next `pulumi up`.
   */
  scope?: AccessScope[];
  /** Existing roles that the user becomes a member of. Default: none. */
  memberOf?: string[];
  /** Maximum number of connections; -1 for no limit. Default: 20. */
  connectionLimit?: number;
  /** Transactions start read-only (`default_transaction_read_only`). Default: true for `read`, else false. */
  readOnly?: boolean;
  /**
   * PostgreSQL's `statement_timeout` for this role: a number and a unit, e.g. `30s`, `5min`; without a unit, milliseconds.
   * Default: none.
   */
  statementTimeout?: string;
  /** Further PostgreSQL settings of the role, e.g. `idle_in_transaction_session_timeout: 10min`. Default: none. */
  settings?: Record<string, Amount>;
}

/** The default users: a reader and a writer. */
export const DEFAULT_USERS: readonly TeleportUser[] = [
  { name: "teleport_user_read", access: "read" },
  { name: "teleport_user_write", access: "write" },
];

export const DEFAULT_CONNECTION_LIMIT = 20;
const ROLE_NAME = /^[a-z_][a-z0-9_]{0,62}$/;
/** Keywords of pg_hba.conf in the place of users. */
const HBA_KEYWORDS = /^(all|replication|sameuser|samerole|samegroup)$/;
const SETTING_NAME = /^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i;
/** PostgreSQL's time units; a plain number is milliseconds. */
const TIME = /^[0-9]+ ?(us|ms|s|min|h|d)?$/;

/** A role of `spec.managed.roles`. CNPG keeps it as declared. */
interface ManagedRole {
  name: string;
  ensure: "present";
  comment: string;
  login: true;
  inherit: true;
  connectionLimit: number;
  disablePassword: true;
  inRoles: string[];
}

export function managedRoles(users: readonly TeleportUser[]): ManagedRole[] {
  return users.map((user) => ({
    name: user.name,
    ensure: "present",
    comment: `Logs in by certificate: ${user.access}`,
    login: true,
    inherit: true,
    connectionLimit: user.connectionLimit ?? DEFAULT_CONNECTION_LIMIT,
    disablePassword: true,
    inRoles: memberships(user),
  }));
}

/** Where users are declared to CloudNativePG: in the Cluster, or in a DatabaseRole each. */
export type UsersAs = "inline" | "databaseRole";

/** A DatabaseRole object, without its namespace. */
export interface DatabaseRoleManifest {
  apiVersion: "postgresql.cnpg.io/v1";
  kind: "DatabaseRole";
  metadata: { name: string };
  /** CloudNativePG never drops the role. DatabaseAccess drops it, after it has reassigned what the user owns. */
  spec: Omit<ManagedRole, "ensure"> & { cluster: { name: string }; databaseRoleReclaimPolicy: "retain" };
}

/** A DatabaseRole for each user. While a role is also in `spec.managed.roles`, CloudNativePG does not apply its DatabaseRole. */
export function databaseRoleManifests(cluster: string, users: readonly TeleportUser[]): DatabaseRoleManifest[] {
  return managedRoles(users).map(({ ensure: _ensure, ...role }) => ({
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "DatabaseRole",
    metadata: { name: databaseRoleName(cluster, role.name) },
    spec: { cluster: { name: cluster }, ...role, databaseRoleReclaimPolicy: "retain" },
  }));
}

/** Names of the roles in a Cluster's `spec.managed.roles`. */
export function inlineRoles({ spec }: KubernetesObject): string[] {
  const { roles = [] } = (spec?.managed ?? {}) as { roles?: { name: string }[] };
  return roles.map(({ name }) => name);
}

/**
 * All roles that a user is a member of. Rights to tables are granted one by one: pg_read_all_data would include the system
 * tables, with the password hashes of all roles and the passwords of foreign servers.
 */
export function memberships({ memberOf = [] }: TeleportUser): string[] {
  return [...new Set(memberOf)];
}

/** The settings of a user's role, for `ALTER ROLE … SET`. */
export function roleSettings(user: TeleportUser): Record<string, string> {
  const readOnly = user.readOnly ?? user.access === "read";
  return {
    ...(readOnly ? { default_transaction_read_only: "on" } : {}),
    ...(user.statementTimeout === undefined ? {} : { statement_timeout: user.statementTimeout }),
    ...user.settings,
  };
}

/** Checks Teleport's users against each other and against the owner of the database. */
export function checkUsers(setting: string, users: readonly TeleportUser[], owner: string): SettingProblem[] {
  return users.flatMap((user, index) => {
    const path = `${setting}[${index}]`;
    return [
      ...checkName(path, user, users.slice(0, index), owner),
      ...checkMemberships(path, user, owner),
      ...checkScope(path, user),
      ...checkLimits(path, user),
    ];
  });
}

function checkName(path: string, { name }: TeleportUser, before: readonly TeleportUser[], owner: string) {
  const wrong = (problem: string, fix: string) => [{ setting: `${path}.name`, value: name, problem, fix }];
  return [
    ...(ROLE_NAME.test(name)
      ? []
      : wrong(
          "is not a plain PostgreSQL role name",
          "Use at most 63 lower-case letters, digits and underscores, not beginning with a digit.",
        )),
    ...(isReservedRole(name) || HBA_KEYWORDS.test(name)
      ? wrong("is reserved by PostgreSQL, CloudNativePG or this project", "Choose another name.")
      : []),
    ...(name === owner
      ? wrong("is the owner of the database, which does not log in through Teleport", "Choose another name.")
      : []),
    ...(before.some((other) => other.name === name) ? wrong("is listed twice", "Remove one of the two.") : []),
  ];
}

function checkMemberships(path: string, { name, access, memberOf = [] }: TeleportUser, owner: string) {
  return memberOf.flatMap((role, index): SettingProblem[] => {
    const wrong = (problem: string, fix: string) => [
      { setting: `${path}.memberOf[${index}]`, value: role, problem, fix },
    ];
    if (!isPostgresName(role))
      return wrong("is not a valid PostgreSQL role name", "Write the name of an existing role.");
    if (isAdministrative(role)) return wrong("would make the user an administrator of the server", "Remove it.");
    if (role === name) return wrong("is the user's own role", "Remove it.");
    if (role === owner && access === "read") {
      return wrong("owns the database, so this reader could change everything", "Remove it, or use access: write.");
    }
    return [];
  });
}

function checkScope(path: string, { access, scope }: TeleportUser): SettingProblem[] {
  if (!scope) return [];
  const setting = `${path}.scope`;
  if (access === "none") {
    return [{ setting, problem: "has no effect with access: none", fix: "Remove it, or use access: read or write." }];
  }
  if (scope.length === 0) {
    return [{ setting, problem: "must not be empty", fix: "Write a database or schemas, or use access: none." }];
  }
  return scope.flatMap(({ database, schemas }, index) => [
    ...(database === undefined || isPostgresName(database)
      ? []
      : [
          {
            setting: `${setting}[${index}].database`,
            value: database,
            problem: "is not a valid database name",
            fix: "Write the name of a database, or leave it out.",
          },
        ]),
    ...(schemas?.length === 0
      ? [
          {
            setting: `${setting}[${index}].schemas`,
            problem: "must not be empty",
            fix: "Write schemas, or leave it out for all.",
          },
        ]
      : []),
    ...(schemas ?? [])
      .filter((schema) => !isPostgresName(schema) || /^pg_|^information_schema$/.test(schema))
      .map((schema) => ({
        setting: `${setting}[${index}].schemas`,
        value: schema,
        problem: "is not a valid schema name, or a schema of PostgreSQL itself",
        fix: "Write schemas with your tables. Everybody can read PostgreSQL's own schemas.",
      })),
  ]);
}

function checkLimits(path: string, user: TeleportUser): SettingProblem[] {
  const limit = user.connectionLimit ?? DEFAULT_CONNECTION_LIMIT;
  const timeout = user.statementTimeout;
  const reserved = ["default_transaction_read_only", "statement_timeout"];
  return [
    ...(Number.isInteger(limit) && (limit === -1 || limit > 0)
      ? []
      : [
          {
            setting: `${path}.connectionLimit`,
            value: limit,
            problem: "is not a valid number of connections",
            fix: "Write a whole number above 0, or -1 for no limit.",
          },
        ]),
    ...(timeout === undefined || TIME.test(timeout)
      ? []
      : [
          {
            setting: `${path}.statementTimeout`,
            value: timeout,
            problem: "is not a valid PostgreSQL duration",
            fix: "Write a number and a unit, e.g. 30s or 5min.",
          },
        ]),
    ...Object.entries(user.settings ?? {}).flatMap(([name, value]) => {
      const wrong = (problem: string, fix: string) => [{ setting: `${path}.settings.${name}`, problem, fix }];
      if (reserved.includes(name.toLowerCase())) {
        return wrong("must be set by readOnly or statementTimeout", "Use readOnly or statementTimeout.");
      }
      if (value.includes("\0")) return wrong("must not contain the character NUL", "Remove it.");
      if (SETTING_NAME.test(name)) return [];
      return wrong("is not a valid name of a PostgreSQL setting", "Write a name that ALTER ROLE … SET accepts.");
    }),
  ];
}

/** PostgreSQL's superuser, the roles of CNPG and of PostgreSQL itself, and PgBouncer's with explicit authentication. */
const RESERVED = new RegExp(
  `^(public|none|postgres|streaming_replica|cnpg_.*|pg_.*|${POOLER_LOGINS.explicit.role})$`,
  "i",
);
/** Keywords of pg_hba.conf, or of SQL where a role name stands. */
const KEYWORDS =
  /^(all|replication|sameuser|samerole|samegroup|public|none|user|current_user|current_role|session_user)$/i;

export function isKeyword(name: string): boolean {
  return KEYWORDS.test(name);
}

/** Roles whose members can reach the server's files and programs, or replication. */
const DANGEROUS =
  /^(pg_execute_server_program|pg_read_server_files|pg_write_server_files|pg_create_subscription|pg_checkpoint)$/i;

export function isReservedRole(name: string): boolean {
  return RESERVED.test(name);
}

/** Whether members of a role get an administrator's rights. Roles such as pg_read_all_data are meant to be granted. */
export function isAdministrative(role: string): boolean {
  return DANGEROUS.test(role) || (!/^pg_/i.test(role) && isReservedRole(role));
}
