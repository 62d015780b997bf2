/** Rules of pg_hba.conf for the users that Vault makes. Pure. */
import { ANYWHERE } from "../cnpg/pg-hba";
import { vaultUserNames, VaultUsersSettings } from "./settings";

/**
 * Vault's user and those that it makes come over TLS, with a password, and to the one database that they are for.
 * Without these rules CloudNativePG's last line lets them in as anybody else, without TLS too. To be put into `pgHba` of
 * the Cluster, before what the user adds. PostgreSQL takes a group that does not exist yet, and has no members of it.
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
