/**
 * The document of a role that opens databases, and its checks, with the PostgreSQL users that no role may allow. Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import { SettingProblem } from "../../problems";
import { parseDuration } from "../../durations";
import type { TeleportDocument } from "../client/tctl";
import type { RegistrationArgs } from "./registration";
import { POOLER_LOGINS } from "../../cnpg/pooler";
import { isAdministrative, isReservedRole } from "../../cnpg/roles";
import { isPostgresName } from "../../value-check";

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

export const ACCESS_ROLE = { kind: "role", version: "v6" } as const;
const DEFAULT_TTL = "8h";

/** The document that is sent to Teleport. */
export function accessRole(settings: AccessRoleSettings): TeleportDocument {
  const { name, description = "", labels = {} } = settings;
  return { ...ACCESS_ROLE, metadata: { name, description, labels }, spec: accessRoleSpec(settings) };
}

/** `spec` of the document. */
export function accessRoleSpec(settings: AccessRoleSettings): Record<string, unknown> {
  const { databaseLabels, databaseNames, databaseUsers = [], databaseRoles = [], createDatabaseUser } = settings;
  const { deniedUsers = [] } = settings;
  return {
    options: {
      ...settings.options,
      max_session_ttl: settings.maxSessionTtl ?? DEFAULT_TTL,
      create_db_user: createDatabaseUser !== undefined, // also written if false, so that a manual change to true is noticed
      ...(createDatabaseUser === "best_effort_drop" ? { create_db_user_mode: createDatabaseUser } : {}),
    },
    allow: {
      db_labels: databaseLabels,
      db_names: databaseNames,
      db_users: databaseUsers,
      ...(databaseRoles.length > 0 ? { db_roles: databaseRoles } : {}),
    },
    // Applies to every database of the Teleport cluster. With `db_labels` next to it, Teleport would deny the
    // databases themselves ("deny rules are greedy", lib/services/role.go; seen with 13.3.8).
    deny: { db_users: [...new Set([...DENIED_USERS, ...deniedUsers])] },
  };
}

/** Checks the spec of a role as it is sent. Values that are not known yet must be left out. */
export function checkRoleSpec(setting: string, spec: Record<string, unknown>): SettingProblem[] {
  const options = (spec.options ?? {}) as Record<string, unknown>;
  const allow = (spec.allow ?? {}) as Record<string, unknown>;
  const labels = (allow.db_labels ?? {}) as Record<string, unknown>;
  const ttl = options.max_session_ttl;
  const all = Object.keys(labels).length === 0 || "*" in labels;
  const hasNoUser = [allow.db_users].flat().length === 0 && options.create_db_user !== true;
  return [
    ...checkDatabaseUsers(`${setting}.allow.db_users`, allow.db_users),
    ...checkDatabaseRoles(`${setting}.allow.db_roles`, allow.db_roles),
    ...(all
      ? [
          {
            setting: `${setting}.allow.db_labels`,
            value: labels,
            problem: "matches no database, or every database of the Teleport cluster",
            fix: "Name labels, e.g. provisioned_by: cloudnative-pg and environment: dev.",
          },
        ]
      : []),
    ...(hasNoUser
      ? [
          {
            setting: `${setting}.allow.db_users`,
            problem: "is empty, and Teleport creates no users at login either",
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
            problem: "is not a valid duration in Teleport",
            fix: "Write hours, minutes and seconds, e.g. 8h or 1h30m.",
          },
        ]),
  ];
}

/**
 * Default admin user for auto user provisioning. Nobody may log in as this user: it can grant itself every role that
 * it may grant to others.
 */
export const AUTO_USERS_ADMIN = "teleport_admin";

/**
 * Users for whom pg_hba.conf accepts any client certificate of the bundle, including Teleport's. Every role of this
 * program denies them, so that no other role of the same person allows them. (`postgres` is not in this list: no rule
 * accepts a certificate for it.)
 */
export const DENIED_USERS = [
  "streaming_replica",
  "cnpg_metrics_exporter",
  AUTO_USERS_ADMIN,
  ...Object.values(POOLER_LOGINS).map(({ role }) => role),
];
/**
 * Characters of patterns and traits. Teleport 13 supports `*` and traits (`{{external.db_users}}`) in `db_users` and
 * takes everything else literally (`MatchDatabaseUser` of lib/services). Other patterns are refused, because a later
 * version might support them.
 */
const PATTERN = /[*?^$|{}[\]()\\]/;

/** Checks the PostgreSQL users that a role allows. */
export function checkDatabaseUsers(setting: string, users: unknown): SettingProblem[] {
  return names(users).flatMap((user) => {
    const wrong = (problem: string, fix: string) => [{ setting, value: user, problem, fix }];
    if (typeof user !== "string" || user === "")
      return wrong("must be the name of a PostgreSQL user", "Write its name.");
    if (PATTERN.test(user)) {
      const fix = "Name each user. A pattern or a trait could match a superuser or CloudNativePG's own users.";
      return wrong("must not be a pattern, which could match postgres, streaming_replica or cnpg_*", fix);
    }
    return isReservedRole(user) || user === AUTO_USERS_ADMIN
      ? wrong("is reserved by PostgreSQL, CloudNativePG or this project", "Remove it.")
      : [];
  });
}

/** Checks the PostgreSQL roles of users that Teleport creates. */
export function checkDatabaseRoles(setting: string, roles: unknown): SettingProblem[] {
  return names(roles).flatMap((role) => {
    const wrong = (problem: string, fix: string) => [{ setting, value: role, problem, fix }];
    if (typeof role !== "string" || !isPostgresName(role))
      return wrong("must be the name of a PostgreSQL role", "Write its name.");
    if (PATTERN.test(role)) return wrong("must not be a pattern, which could match any role", "Name each role.");
    return isAdministrative(role) ? wrong("would make people administrators of the server", "Remove it.") : [];
  });
}

function names(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}
