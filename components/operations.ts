/**
 * What the dynamic resources run, in Pulumi's process for dynamic providers: the pure parts and the adapters, put
 * into the shape of Pulumi's provider methods. Old states call these names: keep them.
 */
import { accessOperations } from "./access/access-operations";
import { autoUserOperations } from "./auto-users/operations";
import { bounded } from "./bounded";
import { operatorOperations } from "./operator/operator-operations";
import { clusterServingOperations } from "./serving/cluster-serving-operations";
import { databaseRolesServingOperations } from "./serving/database-roles-serving-operations";
import { databasesServingOperations } from "./serving/databases-serving-operations";
import { poolerServingOperations } from "./serving/pooler-serving-operations";
import { certAuthorityOperations } from "./teleport/cert-authority-operations";
import { clusterIdentityOperations } from "./protection/cluster-identity-operations";
import { declaredDatabasesOperations } from "./protection/declared-databases-operations";
import { deletionProtectionOperations } from "./protection/deletion-protection-operations";
import { kubernetesIdentityOperations } from "./protection/kubernetes-identity-operations";
import { namespaceRemovalOperations } from "./protection/namespace-removal-operations";
import { updateCheckOperations } from "./update-check-operations";
import { withStoredCode } from "./stored-code";
import { registrationOperations } from "./teleport/registration-operations";
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
