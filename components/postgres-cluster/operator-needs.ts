/** What a PostgresCluster writes of CloudNativePG's kinds: their fields, as far as the settings decide. Pure. */
import { clusterSpec } from "../cnpg/cluster-spec";
import { databaseManifests } from "../cnpg/databases";
import type { DeclaredCluster } from "../cnpg/dry-run";
import { clusterAnnotations } from "../cnpg/metadata";
import { poolerName, poolerSecretName, poolerSpec } from "../cnpg/pooler";
import { secretNames } from "../cnpg/names";
import { fieldsOf, OperatorNeeds } from "../cnpg/operator-version";
import { certificateUsers, databaseRolesOf, pgHbaOf, PostgresClusterArgs } from "./args";

/** The Cluster, for the operator's judgement. */
export function declaredCluster(cluster: string, args: PostgresClusterArgs): DeclaredCluster {
  const { description, spec } = args;
  return {
    annotations: {
      ...clusterAnnotations(args),
      ...(description === undefined ? {} : { "kubernetes.io/description": description }),
    },
    settings: specOf(cluster, { ...args, spec: undefined }),
    spec,
  };
}

function specOf(cluster: string, args: PostgresClusterArgs): Record<string, unknown> {
  return clusterSpec({ ...args, pgHba: pgHbaOf(args), secrets: secretNames(cluster), users: certificateUsers(args) });
}

/** The fields of all objects of the Cluster. */
export function operatorNeeds(cluster: string, args: PostgresClusterArgs): OperatorNeeds {
  const secrets = secretNames(cluster);
  const poolers = (args.poolers ?? []).map((pooler) =>
    poolerSpec(pooler, {
      cluster,
      clientTls: poolerSecretName(poolerName(cluster, pooler)),
      authentication: secrets.poolerAuthentication,
      serverCa: secrets.serverCa,
    }),
  );
  const databases = databaseManifests(cluster, "", args).map(({ spec }) => spec);
  const roles = databaseRolesOf(cluster, "", args).map(({ spec }) => spec);
  return {
    clusters: { spec: fieldsOf(specOf(cluster, args)) },
    ...(poolers.length > 0 ? { poolers: { spec: fieldsOf(poolers) } } : {}),
    ...(databases.length > 0 ? { databases: { spec: fieldsOf(databases) } } : {}),
    ...(roles.length > 0 ? { databaseroles: { spec: fieldsOf(roles) } } : {}),
  };
}
