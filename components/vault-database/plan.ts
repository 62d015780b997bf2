/**
 * What follows from the settings of a database in Vault: its connection, its roles and their policies, and the rules of
 * pg_hba.conf for its users. Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import {
  consumerName,
  CredentialsRole,
  type KubernetesAuth,
  type VaultDatabaseArgs,
  vaultUserNames,
  VaultUsersSettings,
} from "./settings";
import { ANYWHERE } from "../cnpg/pg-hba";

/** A database in Vault's database secrets engine. */
export interface VaultDatabasePlan {
  /** Name of the connection. */
  connection: string;
  /** The database secrets engine. */
  mount: { path: pulumi.Input<string>; exists: boolean };
  /** The login method of consumers; `make` if it is made here. */
  auth?: KubernetesAuth;
  roles: PlannedRole[];
}

/** Credentials of one kind. */
export interface PlannedRole {
  /** Name of the role in Vault. */
  role: string;
  /** Name of its policy, and of the role of Kubernetes authentication. */
  policy: string;
  settings: CredentialsRole;
}

/** Plans a database in Vault. `name` is the connection's, if the settings give none. */
export function planVaultDatabase(
  name: string,
  settings: Pick<VaultDatabaseArgs, "connection" | "mount" | "roles" | "kubernetesAuth">,
): VaultDatabasePlan {
  const { connection = name, mount, roles, kubernetesAuth } = settings;
  return {
    connection,
    mount: { path: mount?.path ?? `postgres/${connection}`, exists: mount?.exists ?? false },
    auth: kubernetesAuth,
    roles: Object.entries(roles).map(([role, each]) => ({
      role,
      policy: consumerName(connection, role),
      settings: each,
    })),
  };
}

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
