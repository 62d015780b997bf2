/** What a Cluster has to do with a Teleport cluster: its CA in the bundle, and the databases registered there. */
import * as pulumi from "@pulumi/pulumi";
import { PemSource } from "./certificates/ca-bundle";
import { POSTGRES_PORT, serviceHost, teleportNames } from "./names";
import { TeleportArgs } from "./postgres-cluster-args";
import { TeleportCertAuthority } from "./teleport/cert-authority";
import { TeleportDatabase } from "./teleport/database";
import { PROVISIONED_BY } from "./teleport/roles";

/** Resource names of several Teleport clusters differ by the names of their credentials. */
function resourcePrefix(name: string, { credentials }: TeleportArgs): string {
  return credentials === undefined ? name : `${name}-${credentials}`;
}

/** What Teleport's agents sign their client certificates with. */
export function teleportCas(
  name: string,
  teleport: TeleportArgs,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<PemSource[]> {
  const { proxy, credentials } = teleport;
  const authority = new TeleportCertAuthority(
    resourcePrefix(name, teleport),
    { teleport: { proxy, credentials } },
    opts,
  );
  return pulumi
    .all([authority.certificates, authority.cluster])
    .apply(([certificates, cluster]) =>
      certificates.map((pem) => ({ name: `the database CA of the Teleport cluster ${cluster}`, pem })),
    );
}

/** The Cluster that is registered. */
export interface RegisteredCluster {
  clusterName: string;
  environment: string;
  description?: string;
  namespace: pulumi.Output<string>;
  /** Whether there is a standby, so that `-ro` leads somewhere. */
  standby: boolean;
  /** PEM of the CA that agents verify the server with. */
  caCert: pulumi.Output<string>;
}

/** Registers the primary and, where there is one, the standby. */
export function registerDatabases(
  name: string,
  teleport: TeleportArgs,
  cluster: RegisteredCluster,
  opts: pulumi.CustomResourceOptions,
): TeleportDatabase[] {
  const { clusterName, environment, namespace } = cluster;
  const names = teleportNames(clusterName, environment, teleport.name);
  const register = (sqlType: keyof typeof names, endpoint: "rw" | "ro") =>
    new TeleportDatabase(
      `${resourcePrefix(name, teleport)}-${sqlType}`,
      {
        teleport: { proxy: teleport.proxy, credentials: teleport.credentials },
        name: names[sqlType],
        description: cluster.description,
        labels: {
          environment,
          cluster: clusterName,
          namespace,
          ...teleport.labels,
          ...PROVISIONED_BY,
          sql_type: sqlType,
        },
        uri: namespace.apply((inNamespace) => `${serviceHost(clusterName, inNamespace, endpoint)}:${POSTGRES_PORT}`),
        caCert: cluster.caCert,
        adopt: teleport.adopt,
      },
      opts,
    );
  return [register("primary", "rw"), ...(cluster.standby ? [register("standby", "ro")] : [])];
}
