/** Rules of pg_hba.conf for the users that Vault creates. Pure. */
import { ANYWHERE } from "../cnpg/pg-hba";
import { vaultUserNames, VaultUsersSettings } from "./settings";

/**
 * Vault's user and the users that it creates log in over TLS, with a password, and only to the database that they are
 * for. Without these rules, CloudNativePG's last line accepts them like any other user, also without TLS. Put these
 * rules into `pgHba` of the Cluster, before the user's own rules. PostgreSQL accepts a group that does not exist yet:
 * it then has no members.
 */
export function vaultHbaRules(settings: VaultUsersSettings, database: string): string[] {
  const { admin, users } = vaultUserNames(settings, database, "");
  const quoted =
    /^[a-z_][a-z0-9_]*$/.test(database) && !/^(all|sameuser|samerole|samegroup|replication)$/.test(database)
      ? database
      : `"${database}"`;
  const who = `${admin},+${users}`;
  return [
    ...ANYWHERE.map((address) => `hostssl ${quoted} ${who} ${address} scram-sha-256`),
    ...ANYWHERE.map((address) => `host all ${who} ${address} reject`),
  ];
}
