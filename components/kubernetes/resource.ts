/** Dynamic resources that reach Kubernetes past Pulumi's Kubernetes provider, and what a program tells them about the way. */
import * as pulumi from "@pulumi/pulumi";

/** Which Kubernetes cluster; must be the one of the Kubernetes provider. */
export interface KubernetesArgs {
  /** Context of the kubeconfig. Default: the current one. */
  context?: string;
  /**
   * The kubeconfig itself, as YAML or JSON: for a program that creates the Kubernetes cluster as well. It is a secret in the
   * state. `pulumi refresh` and `pulumi destroy` use the one of the last `pulumi up`, so credentials in it must last, or be
   * fetched by a command (`exec`). Paths in it must be absolute. Default: the file that KUBECONFIG names, or ~/.kube/config.
   */
  kubeconfig?: pulumi.Input<string>;
}

/** What a resource that reaches Kubernetes is given. */
export type KubernetesInputs = pulumi.Inputs & { kubernetes?: KubernetesArgs };

/** A resource whose inputs tell its operations how to reach Kubernetes: KubernetesConnection of client.ts. */
export class KubernetesResource extends pulumi.dynamic.Resource {
  constructor(
    provider: pulumi.dynamic.ResourceProvider,
    name: string,
    { kubernetes: { context, kubeconfig } = {}, ...inputs }: KubernetesInputs,
    opts: pulumi.CustomResourceOptions | undefined,
    module: string,
    type: string,
  ) {
    // A state without a kubeconfig stays as it is.
    const secret = kubeconfig === undefined ? {} : { kubeconfig: pulumi.secret(kubeconfig) };
    const ownOpts =
      kubeconfig === undefined ? opts : pulumi.mergeOptions(opts, { additionalSecretOutputs: ["kubeconfig"] });
    super(provider, name, { context, ...secret, ...inputs }, ownOpts, module, type);
  }
}
