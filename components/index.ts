/** The library: what programs of your own import. */
export { PostgresCluster } from "./postgres-cluster";
export type { PostgresClusterOutputs } from "./postgres-cluster-outputs";
export type { PostgresClusterArgs, TeleportArgs } from "./postgres-cluster-args";
export type { ClusterSettings, InitDb, Resources, Storage } from "./cnpg/cluster-spec";
export type { Access, AccessScope, TeleportUser } from "./cnpg/roles";
export type { PoolerSecrets, PoolerSettings, PoolerType } from "./cnpg/pooler";
export { DatabaseAccess, type DatabaseAccessArgs } from "./access/database-access";
export { ClusterCertificates, type ClusterCertificatesArgs } from "./certificates/cluster-certificates";
export type { IssuerArgs, TlsIssuerArgs, Validity, VaultIssuerArgs, VaultPkiRole } from "./certificates/issuer";
export { mergeCaBundle, type PemSource } from "./certificates/ca-bundle";
export { TeleportDatabase, type DatabaseTlsMode, type TeleportDatabaseArgs } from "./teleport/database";
export { TeleportCertAuthority, type TeleportCertAuthorityArgs } from "./teleport/cert-authority";
export { PROVISIONED_BY, registrarRole } from "./teleport/roles";
export type { TeleportConnection, TeleportDocument } from "./teleport/tctl";
export { TeleportError, type TeleportFailure } from "./teleport/errors";
export { SettingsError, type SettingProblem } from "./settings";
export { KubernetesError, type KubernetesFailure } from "./kubernetes/errors";
export type { KubernetesConnection } from "./kubernetes/client";
