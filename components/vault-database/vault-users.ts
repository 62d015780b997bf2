/** What PostgreSQL is set up with for Vault, and how its users and roles are told from others. Pure. */
import { literal } from "../postgres/sql";
import { OWN_MARK } from "../postgres/grants";
import { usernamePattern, VaultUserNames } from "./settings";

/** What is to be there. */
export interface VaultUsers {
  names: VaultUserNames;
  /** Every role that Vault grants to users, the group among them. */
  roles: readonly string[];
  /** Schemas in which the group may create, where it is not the database's owner. */
  schemas: readonly string[];
  /** The database that credentials are for. */
  database: string;
  /** Tells this use of Vault from another: `<mount>/config/<connection>`. */
  owner: string;
}

/** The names of all roles' users. */
const ANY_USERNAME = usernamePattern(".+");

/** The comment on roles and the schema that are ours, so that nobody else's is taken for one. */
export const mark = (owner: string) => `${OWN_MARK}for Vault's ${owner}`;

/**
 * Whether a role is a user that Vault made. Its own aliases, since `oid` may name one of the query around it. Vault's own user
 * decides who is in the group, so the name has to be one of Vault's as well.
 */
export function isUser(oid: string, { users }: VaultUserNames): string {
  return `EXISTS (SELECT FROM pg_auth_members in_users WHERE in_users.member = ${oid}
    AND pg_get_userbyid(in_users.roleid) = ${literal(users)} AND pg_get_userbyid(in_users.member) ~ ${literal(ANY_USERNAME)})`;
}
