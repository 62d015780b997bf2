/**
 * The statements that Vault runs as its own user in PostgreSQL. Vault fills in `{{name}}`, `{{password}}` and
 * `{{expiration}}`. Each entry is one statement, since Vault splits texts at semicolons. Pure.
 */
import { identifier } from "../postgres/sql";
import { DEFAULTS, CredentialsRole, VaultUserNames } from "./settings";

/** The statements of a role, with the names of @pulumi/vault. */
export interface RoleStatements {
  creationStatements: string[];
  renewStatements: string[];
  revocationStatements: string[];
  rollbackStatements: string[];
}

/**
 * A user is a member of the roles that it works with, and of the group that distinguishes Vault's users from others.
 * Vault's own user is a member of the user: a role needs the user's rights to close its sessions and to reassign its
 * objects.
 */
export function roleStatements(names: VaultUserNames, role: CredentialsRole): RoleStatements {
  const { memberOf = [names.group], connectionLimit = DEFAULTS.connectionLimit } = role;
  const user = `"{{name}}"`;
  const dropUser = `SELECT ${identifier(names.schema)}.end_user('{{name}}')`;
  return {
    creationStatements: [
      `CREATE ROLE ${user} WITH LOGIN INHERIT CONNECTION LIMIT ${connectionLimit} PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
      `GRANT ${user} TO ${identifier(names.admin)}`,
      ...[names.users, ...memberOf].map((group) => `GRANT ${identifier(group)} TO ${user}`),
    ],
    renewStatements: [`ALTER ROLE ${user} VALID UNTIL '{{expiration}}'`],
    revocationStatements: [dropUser],
    rollbackStatements: [dropUser],
  };
}
