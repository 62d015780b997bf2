/** PostgreSQL users that no role in Teleport may allow. Pure. */
import { POOLER_LOGINS } from "../../cnpg/pooler";
import { isAdministrative, isReservedRole } from "../../cnpg/roles";
import { isPostgresName } from "../../value-check";
import { SettingProblem } from "../../problems";

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
