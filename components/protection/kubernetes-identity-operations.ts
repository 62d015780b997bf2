/** The methods of Pulumi's provider behind a KubernetesIdentity. */
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { kubernetesUid, mustBeOfStack } from "../kubernetes/identity";
import type { Provider } from "../dynamic/methods";
import { refuseWhileTakingUp } from "./taking-up";
import type { Connect } from "./taken-cluster";

/** Inputs of a KubernetesIdentity. */
export type KubernetesIdentityInputs = KubernetesConnection;

/** What is remembered. */
export interface KubernetesIdentityState extends KubernetesIdentityInputs {
  /** UID of the Kubernetes cluster's `kube-system`; absent where it may not be read. */
  kubernetesUid?: string;
}

/** The operations over a way of reaching the API server. */
export function kubernetesIdentity(
  connect: Connect = apiReader,
): Provider<KubernetesIdentityInputs, KubernetesIdentityState> {
  return {
    async check(_olds, news) {
      return { inputs: news };
    },
    async diff(_id, olds, news) {
      return { changes: olds.context !== news.context };
    },
    async create(inputs) {
      return { id: "kubernetes", outs: await withIdentity(inputs) };
    },
    async read(id, props) {
      const uid = await mustBeOfStack(await connect(props ?? {}), props?.kubernetesUid);
      return { id, props: { ...props, kubernetesUid: uid ?? props?.kubernetesUid } };
    },
    async update(_id, _olds, news) {
      return { outs: await withIdentity(news) };
    },
    /** Comes before what it depends on is deleted. */
    async delete(_id, props) {
      refuseWhileTakingUp();
      await mustBeOfStack(await connect(props), props.kubernetesUid);
    },
  };

  async function withIdentity(inputs: KubernetesIdentityInputs): Promise<KubernetesIdentityState> {
    return { ...inputs, kubernetesUid: await kubernetesUid(await connect(inputs)) };
  }
}

export const kubernetesIdentityOperations = kubernetesIdentity();
