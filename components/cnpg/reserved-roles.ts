/** Names of PostgreSQL roles that are not for people, applications or owners. Pure. */
import { POOLER_LOGINS } from "./pooler";

/** PostgreSQL's superuser, the roles of CNPG and of PostgreSQL itself, and PgBouncer's with explicit authentication. */
const RESERVED = new RegExp(
  `^(public|none|postgres|streaming_replica|cnpg_.*|pg_.*|${POOLER_LOGINS.explicit.role})$`,
  "i",
);
/** What means something else in pg_hba.conf, or in place of a role in SQL. */
const KEYWORDS =
  /^(all|replication|sameuser|samerole|samegroup|public|none|user|current_user|current_role|session_user)$/i;

export function isKeyword(name: string): boolean {
  return KEYWORDS.test(name);
}

/** Memberships that lead to the server's files and programs, or to replication. */
const DANGEROUS =
  /^(pg_execute_server_program|pg_read_server_files|pg_write_server_files|pg_create_subscription|pg_checkpoint)$/i;

export function isReservedRole(name: string): boolean {
  return RESERVED.test(name);
}

/** Whether members of a role can do what an administrator can; pg_read_all_data and the like are what one grants. */
export function isAdministrative(role: string): boolean {
  return DANGEROUS.test(role) || (!/^pg_/i.test(role) && isReservedRole(role));
}
