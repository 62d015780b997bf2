/**
 * What the dynamic resources run, in Pulumi's process for dynamic providers: the pure parts and the adapters, put
 * into the shape of Pulumi's provider methods. Old states call these names: keep them.
 */
import { accessOperations } from "./postgres/grants-operations";
import { autoUserOperations } from "./teleport/auto-users/admin-operations";
import { bounded } from "./dynamic/bounded";
import { operatorOperations } from "./cnpg/operator-check-operations";
import { clusterServingOperations } from "./readiness/cluster-operations";
import { databaseRolesServingOperations } from "./readiness/database-roles-operations";
import { databasesServingOperations } from "./readiness/databases-operations";
import { poolerServingOperations } from "./readiness/pooler-operations";
import { certAuthorityOperations } from "./teleport/ca/cert-authority-operations";
import { clusterIdentityOperations } from "./protection/cluster-identity-operations";
import { declaredDatabasesOperations } from "./protection/declared-databases-operations";
import { deletionProtectionOperations } from "./protection/deletion-protection-operations";
import { kubernetesIdentityOperations } from "./protection/kubernetes-identity-operations";
import { namespaceRemovalOperations } from "./protection/namespace-removal-operations";
import { updateCheckOperations } from "./cnpg/update-check-operations";
import { withStoredCode } from "./dynamic/stored-code";
import { registrationOperations } from "./teleport/resources/lifecycle-operations";
import { adminOperations } from "./vault-database/admin-operations";
import { leaseOperations } from "./vault-database/lease-operations";

const kinds = {
  access: accessOperations,
  autoUsers: autoUserOperations,
  clusterServing: clusterServingOperations,
  databasesServing: databasesServingOperations,
  databaseRolesServing: databaseRolesServingOperations,
  poolerServing: poolerServingOperations,
  operatorCheck: operatorOperations,
  registration: registrationOperations,
  certAuthority: certAuthorityOperations,
  vaultAdmin: adminOperations,
  vaultLeases: leaseOperations,
  deletionProtection: deletionProtectionOperations,
  clusterIdentity: clusterIdentityOperations,
  kubernetesIdentity: kubernetesIdentityOperations,
  updateCheck: updateCheckOperations,
  namespaceRemoval: namespaceRemovalOperations,
  declaredDatabases: declaredDatabasesOperations,
};

export const operations = bounded(withStoredCode(kinds));
export type Operations = typeof operations;
