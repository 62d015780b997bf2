/** PostgreSQL users that no role in Teleport may open. Pure. */
import { SettingProblem } from "../settings";

/**
 * PostgreSQL's superuser and the users of CNPG itself: an agent's client certificate for one of them would be as good
 * as CNPG's own, as CNPG trusts every CA of the bundle for every user.
 */
const RESERVED = /^(postgres|streaming_replica|cnpg_.*|pg_.*)$/i;
/**
 * Users for whom CNPG's pg_hba takes any client certificate of the bundle. Every role that we make denies them, so that
 * no other role of the same person opens them. (`postgres` is not among them: no rule takes a certificate for it.)
 */
export const DENIED_USERS = ["streaming_replica", "cnpg_pooler_pgbouncer", "cnpg_metrics_exporter"];
/**
 * What is no plain name. Teleport 13 knows `*` and traits (`{{external.db_users}}`) in `db_users` and takes the rest
 * literally (`MatchDatabaseUser` of lib/services); other patterns are refused lest a later version reads them as such.
 */
const PATTERN = /[*?^$|{}[\]()\\]/;
/** Memberships that lead to the server's files and programs, or to replication. */
const DANGEROUS =
  /^(pg_execute_server_program|pg_read_server_files|pg_write_server_files|pg_create_subscription|pg_checkpoint)$/i;

/** Checks the PostgreSQL users that a role opens. */
export function checkDatabaseUsers(setting: string, users: unknown): SettingProblem[] {
  return names(users).flatMap((user) => {
    const wrong = (problem: string, fix: string) => [{ setting, value: user, problem, fix }];
    if (typeof user !== "string" || user === "") return wrong("is no name of a PostgreSQL user", "Write its name.");
    if (PATTERN.test(user)) {
      const fix = "Name each user; a pattern or a trait could stand for a superuser or for CloudNativePG's own users.";
      return wrong("is a pattern, and could match postgres, streaming_replica or cnpg_*", fix);
    }
    return RESERVED.test(user) ? wrong("is reserved by PostgreSQL or CloudNativePG", "Remove it.") : [];
  });
}

/** Checks the PostgreSQL roles that users made by Teleport become members of. */
export function checkDatabaseRoles(setting: string, roles: unknown): SettingProblem[] {
  return names(roles).flatMap((role) => {
    const wrong = (problem: string, fix: string) => [{ setting, value: role, problem, fix }];
    if (typeof role !== "string" || role === "") return wrong("is no name of a PostgreSQL role", "Write its name.");
    if (PATTERN.test(role)) return wrong("is a pattern, and could bring any role", "Name each role.");
    const isPredefined = /^pg_/i.test(role); // pg_read_all_data and the like are what one grants
    return DANGEROUS.test(role) || (!isPredefined && RESERVED.test(role))
      ? wrong("would make people administrators of the server", "Remove it.")
      : [];
  });
}

function names(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}
