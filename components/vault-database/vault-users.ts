/** The roles in PostgreSQL for Vault, and SQL that distinguishes its users and roles from others. Pure. */
import { literal } from "../postgres/sql";
import { OWN_MARK } from "../postgres/grants";
import { usernamePattern, VaultUserNames } from "./settings";

/** The roles and rights that are declared. */
export interface VaultUsers {
  names: VaultUserNames;
  /** Every role that Vault grants to users, including the group. */
  roles: readonly string[];
  /** Schemas in which the group may create objects, if it is not the database's owner. */
  schemas: readonly string[];
  /** The database of the credentials. */
  database: string;
  /** Identifies this connection: `<mount>/config/<connection>`. */
  owner: string;
}

/** The names of the users of all roles. */
const ANY_USERNAME = usernamePattern(".+");

/**
 * The comment on the roles and the schema that this program created. It distinguishes them from others of the same
 * name.
 */
export const mark = (owner: string) => `${OWN_MARK}for Vault's ${owner}`;

/**
 * SQL for whether a role is a user that Vault created. It uses its own aliases, because `oid` may belong to the
 * enclosing query. Vault's own user decides who is in the group, so the name must match Vault's pattern too.
 */
export function isUser(oid: string, { users }: VaultUserNames): string {
  return `EXISTS (SELECT FROM pg_auth_members in_users WHERE in_users.member = ${oid}
    AND pg_get_userbyid(in_users.roleid) = ${literal(users)} AND pg_get_userbyid(in_users.member) ~ ${literal(ANY_USERNAME)})`;
}
