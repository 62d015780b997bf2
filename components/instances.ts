/** Who decides how many instances a Cluster or Pooler has: the settings, or whoever scales it. */
import * as pulumi from "@pulumi/pulumi";
import { beforeUpdate } from "./hooks";
import {
  FIELD_MANAGER,
  kubernetesClient,
  KubernetesClient,
  KubernetesConnection,
  KubernetesObject,
} from "./kubernetes/client";
import { KEEPS_FIELD_MANAGER } from "./owner";

/** Pulumi's Kubernetes provider writes under a name that begins like this. */
const PROVIDER = "pulumi-kubernetes";

/** Kinds that have `spec.instances`, as the API server's paths name them. */
export type Scaled = "clusters" | "poolers";

/**
 * Options of a Cluster or Pooler. Whoever scales it owns `spec.instances` from then on, and the API server refuses who
 * applies another number.
 *
 * **Not `scaledByOthers`**: before an update, the number is set back to the declared one, which the provider can then apply.
 *
 * **`scaledByOthers`**: Pulumi's Kubernetes provider leaves a field that changes are ignored of out of what it applies
 * where it is another's, and applies the number that is there where it is its own (`handleSSAIgnoreFields`): so the field
 * is never given up either, which would set it to the default of 1.
 *
 * @param resource Pulumi's name of the object
 */
export function instancesOptions(
  resource: string,
  plural: Scaled,
  kubernetes: KubernetesConnection = {},
  { scaledByOthers = false }: { scaledByOthers?: boolean },
): Pick<pulumi.CustomResourceOptions, "ignoreChanges" | "hooks"> {
  if (scaledByOthers) return { ignoreChanges: [...KEEPS_FIELD_MANAGER.ignoreChanges, "spec.instances"] };
  const takeBack = beforeUpdate(`${plural}/${resource}/instances`, async ({ newInputs }) =>
    takeInstancesBack(await kubernetesClient(kubernetes), plural, newInputs as KubernetesObject),
  );
  return { ...KEEPS_FIELD_MANAGER, hooks: { beforeUpdate: takeBack } };
}

/**
 * Sets `spec.instances` to the declared number where somebody else owns it with another one.
 *
 * @throws KubernetesError if it could not be done
 */
export async function takeInstancesBack(
  kubernetes: KubernetesClient,
  plural: Scaled,
  { metadata, spec }: KubernetesObject,
): Promise<void> {
  const declared = spec?.instances;
  if (declared === undefined) return;
  const { name, namespace } = metadata as { name: string; namespace: string };
  const reference = { apiVersion: "postgresql.cnpg.io/v1", plural, namespace, name };
  const found = await kubernetes.get(reference);
  if (!found || found.spec?.instances === declared) return;
  const others = ownersOfInstances(found).filter((manager) => !manager.startsWith(PROVIDER));
  if (others.length === 0) return;
  await kubernetes.patch(reference, { metadata: { uid: found.metadata.uid }, spec: { instances: declared } });
  const scaledBy = others.filter((manager) => manager !== FIELD_MANAGER);
  if (scaledBy.length === 0) return; // by an earlier run, from here
  const was = `${namespace}/${name} was scaled to ${String(found.spec?.instances)} by ${scaledBy.join(", ")}`;
  void pulumi.log.info(
    `${was}. It gets ${String(declared)} again, as declared. To leave the number to others, set scaledByOthers: true.`,
  );
}

function ownersOfInstances({ metadata }: KubernetesObject): string[] {
  const { managedFields = [] } = metadata as {
    managedFields?: { manager?: string; fieldsV1?: { "f:spec"?: { "f:instances"?: object } } }[];
  };
  return managedFields
    .filter(({ fieldsV1 }) => fieldsV1?.["f:spec"]?.["f:instances"] !== undefined)
    .map(({ manager = "another" }) => manager);
}
