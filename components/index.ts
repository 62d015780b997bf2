/** The library: what programs of your own import. */
export { PostgresCluster } from "./postgres-cluster/postgres-cluster";
export type { PostgresClusterArgs, TeleportArgs, TeleportRegistration } from "./postgres-cluster/args";
export type { PostgresClusterOutputs } from "./postgres-cluster/outputs";
export type { TeleportAgentOutput } from "./postgres-cluster/registrations";
export type { ClusterSettings } from "./cnpg/cluster";
export type { Access, AccessScope, TeleportUser, UsersAs } from "./cnpg/roles";
export type { BackupSettings } from "./cnpg/backup";
export type { ObjectStore } from "./cnpg/object-store";
export type { RecoverySettings } from "./cnpg/recovery";
export type { AdditionalDatabase, Extension, Schema } from "./cnpg/databases";
export type { InitDb } from "./cnpg/initdb";
export type { NetworkPeer, NetworkPolicySettings } from "./cnpg/network-policy";
export type { PoolerSecrets, PoolerSettings, PoolerType } from "./cnpg/pooler";
export type { Resources } from "./kubernetes/quantity";
export type { Storage } from "./cnpg/storage";
export { DatabaseAccess, type DatabaseAccessArgs } from "./postgres/grants-resource";
export type { AutoUsers } from "./teleport/auto-users/settings";
export { AutoUsersAdmin, type AutoUsersAdminArgs } from "./teleport/auto-users/admin";
export { ClusterCertificates, type ClusterCertificatesArgs } from "./certificates/cluster-certificates";
export { BackupPluginCertificates, type BackupPluginCertificatesArgs } from "./certificates/backup-plugin-certificates";
export type {
  CertificateKey,
  IssuerArgs,
  TlsIssuerArgs,
  Validity,
  VaultIssuerArgs,
  VaultPkiRole,
} from "./certificates/issuer";
export type { CaSource } from "./certificates/ca-source";
export { mergeCaBundle, type PemSource } from "./certificates/ca-bundle";
export {
  agentConfiguration,
  kubeAgentValues,
  type AgentJoin,
  type AgentSettings,
  type ChartDatabase,
  type StaticDatabase,
} from "./teleport/agent";
export { TeleportDatabase, TeleportAccessRole, TeleportJoinToken, TeleportBot } from "./teleport/resources/resource";
export type {
  DatabaseAdminUser,
  DatabaseSettings,
  DatabaseTlsMode,
  DynamicLabel,
  TeleportDatabaseArgs,
} from "./teleport/resources/database";
export { TeleportCertAuthority, type TeleportCertAuthorityArgs } from "./teleport/ca/cert-authority";
export {
  operatorDatabase,
  type OperatorDatabaseSettings,
  type TeleportDatabaseManifest,
} from "./teleport/kubernetes-operator";
export type { TeleportAccessRoleArgs } from "./teleport/resources/access-role";
export {
  accessRegistrarRole,
  PROVISIONED_BY,
  registrarBot,
  registrarRole,
  workloadRegistrarRole,
} from "./teleport/program-roles";
export type { TeleportJoinTokenArgs } from "./teleport/resources/join-token";
export type { TeleportConnection, TeleportDocument } from "./teleport/client/tctl";
export { TeleportError, type TeleportFailure } from "./teleport/client/errors";
export { KubernetesError, type KubernetesFailure } from "./kubernetes/errors";
export type { KubernetesConnection } from "./kubernetes/client";
export type { KubernetesArgs } from "./kubernetes/resource";
export { OperatorCheck, type OperatorCheckArgs } from "./cnpg/operator-check";
export type { Fields, OperatorNeeds } from "./cnpg/operator-version";
export { SettingsError, type SettingProblem } from "./problems";
export type { TeleportBotArgs } from "./teleport/resources/bot";
export { VaultDatabase } from "./vault-database/vault-database";
export type {
  CredentialsConsumer,
  CredentialsOutputs,
  CredentialsRole,
  DatabaseOfCluster,
  KubernetesAuth,
  VaultConnection,
  VaultDatabaseArgs,
  VaultDatabaseOfCluster,
  VaultDatabaseOutputs,
  VaultUsersSettings,
} from "./vault-database/settings";
export { vaultHbaRules } from "./vault-database/plan";
export { vaultDatabasePolicy, type RegistrarScope } from "./vault-database/policies";
export { VaultError, type VaultFailure } from "./vault/errors";
export {
  MachineIdWorkload,
  type MachineIdWorkloadArgs,
  type WorkloadDatabaseArgs,
} from "./workload/machine-id-workload";
export type { MachineIdOutputs, MachineIdSettings, WorkloadDatabase, WorkloadJoin } from "./workload/machine-id";
export { tbotPod, type TbotPod, type TbotPodSettings } from "./workload/tbot-pod";
export {
  intoPod,
  type Container,
  type ContainerResources,
  type PlainContainer,
  type PlainTemplate,
  type PodPart,
} from "./workload/pod-part";
export type { CredentialsFile, Reload, VaultAgentDatabase } from "./workload/vault-agent-configuration";
export { vaultAgentPod, type VaultAgentPod, type VaultAgentPodSettings } from "./workload/vault-agent-pod";
