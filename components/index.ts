/** The library: what programs of your own import. */
export { PostgresCluster, PostgresClusterOutputs } from "./postgres-cluster";
export { PostgresClusterArgs, TeleportArgs } from "./postgres-cluster-args";
export { ClusterSettings, InitDb, Resources, Storage } from "./cnpg/cluster-spec";
export { Access, TeleportUser } from "./cnpg/roles";
export { ClusterCertificates, ClusterCertificatesArgs } from "./certificates/cluster-certificates";
export { IssuerArgs, TlsIssuerArgs, Validity, VaultIssuerArgs, VaultPkiRole } from "./certificates/issuer";
export { mergeCaBundle, PemSource } from "./certificates/ca-bundle";
export { DatabaseTlsMode, TeleportDatabase, TeleportDatabaseArgs } from "./teleport/database";
export { TeleportCertAuthority, TeleportCertAuthorityArgs } from "./teleport/cert-authority";
export { PROVISIONED_BY, registrarRole } from "./teleport/roles";
export { TeleportConnection, TeleportDocument } from "./teleport/tctl";
export { TeleportError, TeleportFailure } from "./teleport/errors";
export { SettingProblem, SettingsError } from "./settings";
