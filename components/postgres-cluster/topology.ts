/** Creates the resources for the role of a Cluster in a distributed topology. */
import * as pulumi from "@pulumi/pulumi";
import type { ReplicaPlan } from "../cnpg/replica";
import { ownerOf } from "../kubernetes/owner";
import type { ExpectedRole } from "../readiness/replica";
import { ReplicaRole, ReplicaStatus, ReplicaStatusArgs } from "../replica/replica";
import { PROMOTED_LABEL, TOPOLOGY_LABEL } from "../teleport/names";
import type { ClusterPlan } from "./plan";

/** Records the role. Everything that changes the Cluster must depend on it. */
export function createReplicaRole(
  { name, replica, teleport }: ClusterPlan,
  opts: pulumi.CustomResourceOptions,
): ReplicaRole | undefined {
  if (!replica) return undefined;
  const names = teleport
    .filter(({ registration }) => registration.by === "program")
    .map(({ primary, primaryResource, settings: { proxy, credentials, adopt = false } }) =>
      pulumi.output({ proxy, credentials, name: primary, owner: ownerOf(primaryResource), adopt }),
    );
  return new ReplicaRole(name, { self: replica.self, primary: replica.settings.primary, names }, opts);
}

/** Reads the status, after the Cluster has its role. */
export function readReplicaStatus(
  { name, replica }: ClusterPlan,
  reference: Omit<ReplicaStatusArgs, "follows">,
  opts: pulumi.CustomResourceOptions,
): ReplicaStatus | undefined {
  return replica && new ReplicaStatus(name, { ...reference, follows: replica.follows }, opts);
}

/** Labels of what the primary cluster registers in Teleport. Undefined without a topology. */
export function topologyLabels(
  role: ReplicaRole | undefined,
  status: ReplicaStatus | undefined,
): Record<string, pulumi.Output<string>> | undefined {
  if (!role || !status) return undefined;
  return {
    [TOPOLOGY_LABEL]: status.systemId,
    [PROMOTED_LABEL]: role.promotedAt,
  };
}

/** The role that the Cluster must have before `up` continues. */
export function expectedRole({ settings: { clusters }, follows }: ReplicaPlan): ExpectedRole {
  const { archiveName, streaming } = (follows === undefined ? undefined : clusters[follows]) ?? {};
  return {
    ...(follows === undefined ? {} : { follows }),
    ...(archiveName === undefined ? {} : { archiveName }),
    ...(streaming === undefined ? {} : { streams: true }),
  };
}
