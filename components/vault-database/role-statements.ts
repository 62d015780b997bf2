/**
 * The statements that Vault runs as its own user in PostgreSQL, with `{{name}}`, `{{password}}` and `{{expiration}}` filled
 * in by it. Each is one statement: Vault splits texts at semicolons. Pure.
 */
import { identifier } from "../postgres/sql";
import { DEFAULTS, CredentialsRole, VaultUserNames } from "./settings";

/** The statements of a role, by the names of @pulumi/vault. */
export interface RoleStatements {
  creationStatements: string[];
  renewStatements: string[];
  revocationStatements: string[];
  rollbackStatements: string[];
}

/**
 * A user is a member of the roles that it works with, and of the group that tells Vault's users from others; and Vault's
 * own user is a member of it, since whoever ends a user's sessions and gives away its objects must have its rights.
 */
export function roleStatements(names: VaultUserNames, role: CredentialsRole): RoleStatements {
  const { memberOf = [names.group], connectionLimit = DEFAULTS.connectionLimit } = role;
  const user = `"{{name}}"`;
  const ends = `SELECT ${identifier(names.schema)}.end_user('{{name}}')`;
  return {
    creationStatements: [
      `CREATE ROLE ${user} WITH LOGIN INHERIT CONNECTION LIMIT ${connectionLimit} PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
      `GRANT ${user} TO ${identifier(names.admin)}`,
      ...[names.users, ...memberOf].map((group) => `GRANT ${identifier(group)} TO ${user}`),
    ],
    renewStatements: [`ALTER ROLE ${user} VALID UNTIL '{{expiration}}'`],
    revocationStatements: [ends],
    rollbackStatements: [ends],
  };
}
