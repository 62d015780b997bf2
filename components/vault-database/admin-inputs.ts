/** What Vault's own user and its connection are made from, and what follows from it. Pure. */
import type { ClusterReference } from "../postgres/psql";
import type { KubernetesConnection } from "../kubernetes/client";
import type { ConnectionSettings } from "./connection";
import type { VaultConnection, VaultUserNames } from "./settings";
import type { VaultUsers } from "./vault-users";

/** Inputs. */
export interface AdminInputs extends KubernetesConnection {
  namespace: string;
  cluster: string;
  /** The Cluster's `metadata.uid`, where it is known. */
  uid?: string;
  vault?: VaultConnection;
  mount: string;
  connection: string;
  /** The mount is ours alone, so that nothing in it is anybody else's. */
  ownsMount: boolean;
  host: string;
  port: number;
  serverCa: string;
  database: string;
  names: VaultUserNames;
  /** Every role in PostgreSQL that users become members of. */
  grantedRoles: string[];
  schemas: string[];
  /** Names of the roles in Vault. */
  allowedRoles: string[];
}

export interface AdminState extends AdminInputs {
  /** `metadata.uid` of the Cluster in which the user was made. */
  clusterUid: string;
}

/** Where the connection is in Vault. */
export function configPath({ mount, connection }: Pick<AdminInputs, "mount" | "connection">): string {
  return `${mount}/config/${connection}`;
}

/** The Cluster in which the user was made. */
export function referenceOf({ namespace, cluster, clusterUid: uid }: AdminState): ClusterReference {
  return { namespace, cluster, uid };
}

export function usersOf(inputs: AdminInputs): VaultUsers {
  const { names, grantedRoles: roles, schemas, database } = inputs;
  return { names, roles, schemas, database, owner: configPath(inputs) };
}

export function connectionOf({ host, port, database, serverCa, names, allowedRoles }: AdminInputs): ConnectionSettings {
  return { host, port, database, serverCa, admin: names.admin, allowedRoles };
}
