/** Namespaces that the program creates, and their removal if they are empty. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { ownedBy } from "../kubernetes/owner";
import { KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";

const provider = dynamicProvider("namespaceRemoval");

/**
 * Deletes a Namespace when it is removed from the stack, if nothing of somebody else is left in it. Otherwise the Namespace
 * stays, and a message names what is in it.
 */
class NamespaceRemoval extends KubernetesResource {
  /** Name of the Namespace. */
  declare readonly namespace: pulumi.Output<string>;

  constructor(
    name: string,
    args: { kubernetes?: KubernetesArgs; namespace: pulumi.Input<string>; uid: pulumi.Input<string> },
    opts: pulumi.CustomResourceOptions,
  ) {
    super(provider, name, args, opts, "kubernetes", "NamespaceRemoval");
  }
}

/**
 * Creates a Namespace. Pulumi never deletes it, because this would delete everything in it. NamespaceRemoval deletes
 * it, after everything that depends on the returned name.
 *
 * @returns its name, for the objects in it
 */
export function createNamespace(
  resourceName: string,
  namespace: string,
  kubernetes: KubernetesArgs | undefined,
  opts: pulumi.CustomResourceOptions & {
    /** Earlier names of the resources. */
    formerNames?: string[];
    /** Other earlier URNs of the Namespace. */
    formerUrns?: pulumi.Input<string>[];
  },
): pulumi.Output<string> {
  const { formerNames = [], formerUrns = [], provider, ...rest } = opts;
  const names = formerNames.map((name) => ({ name }));
  const made = new k8s.core.v1.Namespace(
    resourceName,
    { metadata: { name: namespace, annotations: ownedBy(resourceName) } },
    { ...rest, provider, ...KEEPS_FIELD_MANAGER, aliases: [...names, ...formerUrns], retainOnDelete: true },
  );
  return new NamespaceRemoval(
    resourceName,
    {
      kubernetes,
      namespace: made.metadata.name,
      uid: made.metadata.apply(({ uid }) => uid ?? ""),
    },
    { ...rest, aliases: names },
  ).namespace;
}
