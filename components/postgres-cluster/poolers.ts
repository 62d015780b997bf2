/** The Poolers of a Cluster, each awaited until it serves. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { keepsInstances } from "../cnpg/foreign-fields";
import { BACKGROUND_DELETION, ownedBy, ownerOf } from "../kubernetes/owner";
import type { ClusterPlan } from "./plan";
import { KubernetesIdentity } from "../protection/deletion-protection";
import { UpdateCheck } from "../protection/update-check";
import { PoolerServing } from "../readiness/readiness";

/** What only the resources before them know. */
export interface PoolersArgs {
  namespace: pulumi.Output<string>;
  /** What changes with any certificate in their Secrets. */
  certificates: pulumi.Output<string>;
}

/**
 * Tells PgBouncer of changed certificates. Its manager reads the Secrets again at each change of the Pooler; the operator
 * brings one about for the Secrets of the login alone, not for what clients see and for the CAs (`getPoolersUsingSecret`,
 * CNPG 1.30; a certificate that was renewed by itself was not shown after five minutes).
 */
const CERTIFICATES = "cnpg-teleport/certificates";

type PoolersOptions = pulumi.CustomResourceOptions & { dependsOn: pulumi.Resource[] };

/** Makes the Poolers. Their Secrets, and the rights that explicit authentication needs, are made before: `dependsOn`. */
export function makePoolers(
  plan: ClusterPlan,
  { namespace, certificates }: PoolersArgs,
  opts: PoolersOptions,
): PoolerServing[] {
  const { kubernetes } = plan.settings;
  return plan.poolers.map(({ resource, name, settings, spec }) => {
    const check = new UpdateCheck(
      resource,
      {
        ...{ kubernetes, plural: "poolers", namespace, object: name, owner: ownerOf(resource) },
        instances: settings.scaledByOthers ? undefined : (spec.instances as number | undefined),
      },
      opts,
    );
    const annotations = {
      ...ownedBy(resource),
      ...BACKGROUND_DELETION,
      [CERTIFICATES]: certificates.apply((digest) => check.once(digest)),
    };
    const made = new k8s.apiextensions.CustomResource(
      resource,
      { apiVersion: "postgresql.cnpg.io/v1", kind: "Pooler", metadata: { name, namespace, annotations }, spec },
      { ...opts, ...keepsInstances(settings), dependsOn: [check, ...opts.dependsOn] },
    );
    new KubernetesIdentity(`${plan.name}:pooler:${name}`, { kubernetes }, { ...opts, dependsOn: [made] });
    return new PoolerServing(
      resource,
      {
        kubernetes,
        namespace,
        cluster: plan.clusterName,
        pooler: name,
        uid: made.metadata.apply((metadata) => metadata.uid ?? ""),
        written: pulumi.output(spec).apply((known) => JSON.stringify(known)),
        within: plan.readySeconds,
        suspended: plan.isSuspended,
      },
      { ...opts, dependsOn: made },
    );
  });
}
