/** The Poolers of a Cluster, each awaited until it serves. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { poolerName, poolerSecretName, PoolerSettings, poolerSpec } from "../cnpg/pooler";
import { keepsInstances } from "../kubernetes/foreign-fields";
import type { KubernetesArgs } from "../kubernetes/resource";
import { BACKGROUND_DELETION } from "../kubernetes/deletion";
import { secretNames } from "./names";
import { ownedBy, ownerOf } from "../kubernetes/owner";
import { KubernetesIdentity } from "../protection/deletion-protection";
import { UpdateCheck } from "../cnpg/update-check";
import { PoolerServing } from "../readiness/readiness";

export interface PoolersArgs {
  /** Name of the Cluster. */
  cluster: string;
  namespace: pulumi.Output<string>;
  poolers: readonly PoolerSettings[];
  /** What changes with any certificate in their Secrets. */
  certificates: pulumi.Output<string>;
  kubernetes?: KubernetesArgs;
  /** Seconds. */
  within: number;
  /** The Cluster does not run. */
  suspended: boolean;
}

/**
 * Tells PgBouncer of changed certificates. Its manager reads the Secrets again at each change of the Pooler; the operator
 * brings one about for the Secrets of the login alone, not for what clients see and for the CAs (`getPoolersUsingSecret`,
 * CNPG 1.30; a certificate that was renewed by itself was not shown after five minutes).
 */
const CERTIFICATES = "cnpg-teleport/certificates";

type PoolersOptions = pulumi.CustomResourceOptions & { dependsOn: pulumi.Resource[] };

/** Makes the Poolers. Their Secrets, and the rights that explicit authentication needs, are made before: `dependsOn`. */
export function makePoolers(name: string, args: PoolersArgs, opts: PoolersOptions): PoolerServing[] {
  const { cluster, namespace, certificates, kubernetes, within, suspended } = args;
  const secrets = secretNames(cluster);
  return args.poolers.map((settings) => {
    const pooler = poolerName(cluster, settings);
    const poolerResource = `${name}-${pooler}`;
    const spec = poolerSpec(settings, {
      cluster,
      clientTls: poolerSecretName(pooler),
      authentication: secrets.poolerAuthentication,
      serverCa: secrets.serverCa,
    });
    const check = new UpdateCheck(
      poolerResource,
      {
        ...{ kubernetes, plural: "poolers", namespace, object: pooler, owner: ownerOf(poolerResource) },
        instances: settings.scaledByOthers ? undefined : (spec.instances as number | undefined),
      },
      opts,
    );
    const annotations = {
      ...ownedBy(poolerResource),
      ...BACKGROUND_DELETION,
      [CERTIFICATES]: certificates.apply((digest) => check.once(digest)),
    };
    const made = new k8s.apiextensions.CustomResource(
      poolerResource,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Pooler",
        metadata: {
          name: pooler,
          namespace,
          annotations,
        },
        spec,
      },
      { ...opts, ...keepsInstances(settings), dependsOn: [check, ...opts.dependsOn] },
    );
    new KubernetesIdentity(`${name}:pooler:${pooler}`, { kubernetes }, { ...opts, dependsOn: [made] });
    const uid = made.metadata.apply((metadata) => metadata.uid ?? "");
    return new PoolerServing(
      poolerResource,
      {
        kubernetes,
        namespace,
        cluster,
        pooler,
        uid,
        written: JSON.stringify(spec),
        within,
        suspended,
      },
      { ...opts, dependsOn: made },
    );
  });
}
