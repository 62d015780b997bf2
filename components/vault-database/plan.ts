/** What a database is called in Vault: its connection, its roles and their policies. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import { consumerName, CredentialsRole } from "./settings";
import type { KubernetesAuth, VaultDatabaseArgs } from "./vault-database-args";

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
