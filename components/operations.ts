/**
 * The operations of the dynamic resources, as methods of Pulumi providers. They run in Pulumi's process for dynamic
 * providers. Existing states call them by these names: never change the names.
 */
import { archiveName } from "./backup/archive-name-operations";
import { lastBackup } from "./backup/last-backup-operations";
import { takenBackup } from "./backup/taken-backup-operations";
import { operatorCheck } from "./cnpg/operator-check-operations";
import { adoption } from "./protection/adoption-operations";
import { updateCheck } from "./protection/update-check-operations";
import { bounded } from "./dynamic/bounded";
import { providerOf } from "./dynamic/converge";
import { type KindName, withStoredCode } from "./dynamic/provider";
import { access } from "./postgres/grants-operations";
import { declaredDatabases } from "./protection/declared-databases-operations";
import { deletionProtection, clusterIdentity, kubernetesIdentity } from "./protection/deletion-protection-operations";
import { namespaceRemoval } from "./protection/namespace-removal-operations";
import { databaseRolesServing, databasesServing } from "./readiness/applied";
import { clusterServing } from "./readiness/cluster";
import { poolerServing } from "./readiness/pooler";
import { replicaRole } from "./replica/role-operations";
import { replicaStatus } from "./replica/status-operations";
import { autoUsers } from "./teleport/auto-users/admin-operations";
import { certAuthority } from "./teleport/ca/cert-authority-operations";
import { withBots } from "./teleport/resources/bot-client";
import { registrations, registrationMethods } from "./teleport/resources/lifecycle";
import { vaultAdmin } from "./vault-database/admin-operations";
import { vaultLeases } from "./vault-database/lease-operations";
import { vaultMountRemoval } from "./vault-database/mount-removal-operations";

const kinds = {
  access: providerOf(access()),
  autoUsers: providerOf(autoUsers()),
  clusterServing: providerOf(clusterServing()),
  databasesServing: providerOf(databasesServing()),
  databaseRolesServing: providerOf(databaseRolesServing()),
  poolerServing: providerOf(poolerServing()),
  operatorCheck: providerOf(operatorCheck()),
  registration: registrationMethods(registrations(withBots())),
  certAuthority: providerOf(certAuthority()),
  vaultAdmin: providerOf(vaultAdmin()),
  vaultLeases: providerOf(vaultLeases()),
  vaultMountRemoval: providerOf(vaultMountRemoval()),
  deletionProtection: providerOf(deletionProtection()),
  clusterIdentity: providerOf(clusterIdentity()),
  kubernetesIdentity: providerOf(kubernetesIdentity()),
  updateCheck: providerOf(updateCheck()),
  namespaceRemoval: providerOf(namespaceRemoval()),
  declaredDatabases: providerOf(declaredDatabases()),
  archiveName: providerOf(archiveName()),
  takenBackup: providerOf(takenBackup()),
  lastBackup: providerOf(lastBackup()),
  replicaRole: providerOf(replicaRole()),
  replicaStatus: providerOf(replicaStatus()),
  adoption: providerOf(adoption()),
} satisfies Record<KindName, object>;

export const operations = bounded(withStoredCode(kinds));
