/** Keeps roles that lead to an administrator's rights from users that Vault or Teleport make. Pure. */
import { doBlock, textArray } from "./sql";

/** Whether a row of pg_roles is an administrator of the server, or can become one. */
export function isAdministrator(role: string): string {
  return `(${role}.rolsuper OR ${role}.rolcreaterole OR ${role}.rolreplication OR ${role}.rolbypassrls
        OR ${role}.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))`;
}

/**
 * Members of these, or of roles that are members of these, could become the server's administrator.
 *
 * @param users who would be given them, and `choose` what to choose instead: for the message
 */
export function refuseAdministrators(roles: readonly string[], users: string, choose: string): string {
  return doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN SELECT given.rolname AS role, r.rolname AS leads_to FROM pg_roles given, pg_roles r
    WHERE given.rolname = ANY (${textArray(roles)}) AND pg_has_role(given.oid, r.oid, 'MEMBER')
      AND ${isAdministrator("r")}
  LOOP
    RAISE EXCEPTION 'the role % has, by %, rights of an administrator, and is not given to ${users}; choose ${choose}', item.role, item.leads_to;
  END LOOP;
END`);
}
