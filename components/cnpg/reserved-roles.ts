/** Names of PostgreSQL roles that are not for people, applications or owners. Pure. */
import { POOLER_LOGINS } from "./pooler";

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
