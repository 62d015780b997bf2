/** Namespaces that the program makes, and their careful removal. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KEEPS_FIELD_MANAGER, ownedBy } from "../kubernetes/owner";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";

const provider = dynamicProvider("namespaceRemoval");

/**
 * Deletes a Namespace when the stack lets go of it, if nothing is left in it that somebody else made. Otherwise the
 * Namespace stays, and what is in it is named.
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
 * Makes a Namespace. Pulumi never deletes it, because that would delete all that is in it: NamespaceRemoval does, after
 * what depends on the returned name.
 *
 * @returns its name, for what is made in it
 */
export function makeNamespace(
  resourceName: string,
  namespace: string,
  kubernetes: KubernetesArgs | undefined,
  opts: pulumi.CustomResourceOptions & {
    /** Names that the resources had before. */
    formerNames?: string[];
    /** Other URNs that the Namespace had. */
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
