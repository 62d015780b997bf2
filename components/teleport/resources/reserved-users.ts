/** PostgreSQL users that no role in Teleport may open. Pure. */
import { POOLER_LOGINS } from "../../cnpg/pooler";
import { isAdministrative, isReservedRole } from "../../cnpg/reserved-roles";
import { isPostgresName } from "../../value-check";
import { SettingProblem } from "../../problems";

/** As whom Teleport makes users, where nothing else is said: it may give itself what it may give others. */
export const AUTO_USERS_ADMIN = "teleport_admin";

/**
 * Users for whom pg_hba takes any client certificate of the bundle, Teleport's included. Every role that we make denies
 * them, so that no other role of the same person opens them. (`postgres` is not among them: no rule takes a certificate
 * for it.)
 */
export const DENIED_USERS = [
  "streaming_replica",
  "cnpg_metrics_exporter",
  AUTO_USERS_ADMIN,
  ...Object.values(POOLER_LOGINS).map(({ role }) => role),
];
/**
 * What is no plain name. Teleport 13 knows `*` and traits (`{{external.db_users}}`) in `db_users` and takes the rest
 * literally (`MatchDatabaseUser` of lib/services); other patterns are refused lest a later version reads them as such.
 */
const PATTERN = /[*?^$|{}[\]()\\]/;

/** Checks the PostgreSQL users that a role opens. */
export function checkDatabaseUsers(setting: string, users: unknown): SettingProblem[] {
  return names(users).flatMap((user) => {
    const wrong = (problem: string, fix: string) => [{ setting, value: user, problem, fix }];
    if (typeof user !== "string" || user === "") return wrong("is no name of a PostgreSQL user", "Write its name.");
    if (PATTERN.test(user)) {
      const fix = "Name each user; a pattern or a trait could stand for a superuser or for CloudNativePG's own users.";
      return wrong("is a pattern, and could match postgres, streaming_replica or cnpg_*", fix);
    }
    return isReservedRole(user) || user === AUTO_USERS_ADMIN
      ? wrong("is reserved by PostgreSQL, CloudNativePG or this project", "Remove it.")
      : [];
  });
}

/** Checks the PostgreSQL roles that users made by Teleport become members of. */
export function checkDatabaseRoles(setting: string, roles: unknown): SettingProblem[] {
  return names(roles).flatMap((role) => {
    const wrong = (problem: string, fix: string) => [{ setting, value: role, problem, fix }];
    if (typeof role !== "string" || !isPostgresName(role))
      return wrong("is no name of a PostgreSQL role", "Write its name.");
    if (PATTERN.test(role)) return wrong("is a pattern, and could bring any role", "Name each role.");
    return isAdministrative(role) ? wrong("would make people administrators of the server", "Remove it.") : [];
  });
}

function names(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}
