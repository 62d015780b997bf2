/** Dynamic resources that use Kubernetes without Pulumi's Kubernetes provider, and how they reach it. */
import * as pulumi from "@pulumi/pulumi";

/** The Kubernetes cluster. It must be the one of the Kubernetes provider. */
export interface KubernetesArgs {
  /** Context of the kubeconfig. Default: the current one. */
  context?: string;
  /**
   * The content of the kubeconfig, as YAML or JSON, for a program that also creates the Kubernetes cluster. It is a secret
   * in the state. `pulumi refresh` and `pulumi destroy` use the one of the last `pulumi up`, so its credentials must not
   * expire soon, or must come from a command (`exec`). Paths in it must be absolute. Default: the file in KUBECONFIG, or
   * ~/.kube/config.
   */
  kubeconfig?: pulumi.Input<string>;
}

/** Inputs of a KubernetesResource, as the program has them. */
export type KubernetesInputs = pulumi.Inputs & { kubernetes?: KubernetesArgs };

/** A dynamic resource whose inputs contain a KubernetesConnection. */
export class KubernetesResource extends pulumi.dynamic.Resource {
  constructor(
    provider: pulumi.dynamic.ResourceProvider,
    name: string,
    { kubernetes: { context, kubeconfig } = {}, ...inputs }: KubernetesInputs,
    opts: pulumi.CustomResourceOptions | undefined,
    module: string,
    type: string,
  ) {
    // The state of a resource without a kubeconfig must not change.
    const secret = kubeconfig === undefined ? {} : { kubeconfig: pulumi.secret(kubeconfig) };
    const ownOpts =
      kubeconfig === undefined ? opts : pulumi.mergeOptions(opts, { additionalSecretOutputs: ["kubeconfig"] });
    super(provider, name, { context, ...secret, ...inputs }, ownOpts, module, type);
  }
}
