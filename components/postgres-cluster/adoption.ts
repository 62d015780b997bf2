/** The takeover of an existing Cluster, and of objects that exist for it. */
import * as pulumi from "@pulumi/pulumi";
import { poolerSecretName } from "../cnpg/pooler";
import { FIELD_MANAGER } from "../kubernetes/field-owners";
import { ownedBy, ownerOf } from "../kubernetes/owner";
import { type AdoptableObject, Adoption } from "../protection/adoption";
import { ClusterPlan, declaredCluster } from "./plan";

/** Takes the Cluster over if the settings say so. Everything else of the component must depend on the result. */
export function createAdoption(plan: ClusterPlan, opts: pulumi.CustomResourceOptions): Adoption[] {
  const { name, clusterName: cluster, namespace, settings } = plan;
  if (settings.adopt !== true) return [];
  return [
    new Adoption(
      name,
      {
        ...{ kubernetes: settings.kubernetes, namespace, cluster },
        ...ownershipOf(name),
        declared: declaredCluster(plan),
        objects: adoptableObjects(plan),
      },
      opts,
    ),
  ];
}

function ownershipOf(resource: string): { owner: string; manager: string } {
  return { owner: ownerOf(resource), manager: ownedBy(resource)[FIELD_MANAGER] ?? "" };
}

/** All objects that the component creates in the Cluster's namespace, without the Cluster. */
function adoptableObjects(plan: ClusterPlan): AdoptableObject[] {
  const { name, secrets, backup, recovery } = plan;
  const kinds = {
    secrets: ["v1", "Secret"],
    networkpolicies: ["networking.k8s.io/v1", "NetworkPolicy"],
    objectstores: ["barmancloud.cnpg.io/v1", "ObjectStore"],
    scheduledbackups: ["postgresql.cnpg.io/v1", "ScheduledBackup"],
    poolers: ["postgresql.cnpg.io/v1", "Pooler"],
    databases: ["postgresql.cnpg.io/v1", "Database"],
    databaseroles: ["postgresql.cnpg.io/v1", "DatabaseRole"],
  } as const;
  const object = (plural: keyof typeof kinds, objectName: string, resource = name): AdoptableObject => {
    const [apiVersion, kind] = kinds[plural];
    return { apiVersion, kind, plural, name: objectName, ...ownershipOf(resource) };
  };
  const stores = [backup?.objectStore, recovery?.objectStore].filter((store) => store !== undefined);
  return [
    // CloudNativePG makes the owner's Secret, and keeps it.
    ...[secrets.server, secrets.serverCa, secrets.replication, secrets.clientCaBundle, secrets.pooler],
    ...(plan.poolerLogins.includes("explicit") ? [secrets.poolerAuthentication] : []),
    ...plan.poolers.filter(({ isIssued }) => isIssued).map((pooler) => poolerSecretName(pooler.name)),
  ]
    .map((secret) => object("secrets", secret))
    .concat(
      plan.networkPolicies.map(({ metadata }) => object("networkpolicies", metadata.name)),
      stores.map(({ metadata }) => object("objectstores", metadata.name)),
      backup ? [object("scheduledbackups", backup.scheduledBackup.metadata.name)] : [],
      plan.poolers.map(({ resource, name: pooler }) => object("poolers", pooler, resource)),
      plan.databases.map(({ resource, metadata }) => object("databases", metadata.name, resource)),
      plan.databaseRoles.map(({ resource, metadata }) => object("databaseroles", metadata.name, resource)),
    );
}
