/** The methods of Pulumi's provider behind a KubernetesIdentity. */
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { kubernetesUid, otherCluster } from "../kubernetes/identity";
import type { Provider } from "../provider";
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
      const uid = await sameCluster(props ?? {});
      return { id, props: { ...props, kubernetesUid: uid ?? props?.kubernetesUid } };
    },
    async update(_id, _olds, news) {
      return { outs: await withIdentity(news) };
    },
    /** Comes before what it depends on is deleted. */
    async delete(_id, props) {
      await sameCluster(props);
    },
  };

  async function withIdentity(inputs: KubernetesIdentityInputs): Promise<KubernetesIdentityState> {
    return { ...inputs, kubernetesUid: await kubernetesUid(await connect(inputs)) };
  }

  /** @throws KubernetesError "configuration" if it is another cluster */
  async function sameCluster(state: KubernetesIdentityState): Promise<string | undefined> {
    const api = await connect(state);
    const uid = await kubernetesUid(api);
    const elsewhere = otherCluster(state.kubernetesUid, { server: api.server, context: api.context, uid });
    if (elsewhere !== undefined) throw new KubernetesError("configuration", elsewhere);
    return uid;
  }
}

export const kubernetesIdentityOperations = kubernetesIdentity();
