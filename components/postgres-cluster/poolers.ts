/** Creates the Poolers of a Cluster, and waits until each is ready. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ignoredChanges } from "../cnpg/foreign-fields";
import { CERTIFICATES_ANNOTATION } from "../cnpg/pooler";
import { BACKGROUND_DELETION, ownedBy, ownerOf } from "../kubernetes/owner";
import type { ClusterPlan } from "./plan";
import { KubernetesIdentity } from "../protection/deletion-protection";
import { UpdateCheck } from "../protection/update-check";
import { PoolerServing } from "../readiness/readiness";

/** Values that are known only after other resources are created. */
export interface PoolersArgs {
  namespace: pulumi.Output<string>;
  /** Digest of all certificates in the Secrets of the Poolers. */
  certificates: pulumi.Output<string>;
}

type PoolersOptions = pulumi.CustomResourceOptions & { dependsOn: pulumi.Resource[] };

/** Creates the Poolers. `dependsOn` must include their Secrets, and the rights that explicit authentication needs. */
export function createPoolers(
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
      [CERTIFICATES_ANNOTATION]: certificates.apply((digest) => check.once(digest)),
    };
    const created = new k8s.apiextensions.CustomResource(
      resource,
      { apiVersion: "postgresql.cnpg.io/v1", kind: "Pooler", metadata: { name, namespace, annotations }, spec },
      { ...opts, ...ignoredChanges(settings), dependsOn: [check, ...opts.dependsOn] },
    );
    new KubernetesIdentity(`${plan.name}:pooler:${name}`, { kubernetes }, { ...opts, dependsOn: [created] });
    return new PoolerServing(
      resource,
      {
        kubernetes,
        namespace,
        cluster: plan.clusterName,
        pooler: name,
        uid: created.metadata.apply((metadata) => metadata.uid ?? ""),
        written: pulumi.output(spec).apply((known) => JSON.stringify(known)),
        within: plan.readySeconds,
        suspended: plan.isSuspended,
      },
      { ...opts, dependsOn: created },
    );
  });
}
