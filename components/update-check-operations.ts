/** The methods of Pulumi's provider behind an UpdateCheck. */
import { refuseIfHindered } from "./access/major-upgrade";
import { takeInstancesBack } from "./instances";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "./kubernetes/client";
import type { Provider } from "./provider";

/** Inputs of an UpdateCheck, and its state. */
export interface UpdateCheckInputs extends KubernetesConnection {
  plural: "clusters" | "poolers";
  namespace: string;
  object: string;
  written: string;
  instances?: number;
  image?: { name: string; major?: number };
}

/** The operations over a way of reaching Kubernetes. */
export function updateCheck(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
): Provider<UpdateCheckInputs, UpdateCheckInputs> {
  return {
    async check(_olds, news) {
      return { inputs: news };
    },
    async diff(_id, olds, news) {
      return { changes: told(olds) !== told(news) };
    },
    /** The object may be there: of an earlier release, or made by a run that was killed. */
    async create(inputs) {
      await look(inputs);
      return { id: `${inputs.plural}/${inputs.namespace}/${inputs.object}`, outs: inputs };
    },
    async read(id, props) {
      return props ? { id, props } : {};
    },
    async update(_id, olds, news) {
      await look(news, olds.image?.name);
      return { outs: news };
    },
    async delete() {
      // It made nothing, so there is nothing to remove.
    },
  };

  async function look(inputs: UpdateCheckInputs, formerImage?: string): Promise<void> {
    const { plural, namespace, object: name, instances, image } = inputs;
    const kubernetes = await connect(inputs);
    const reference = { apiVersion: "postgresql.cnpg.io/v1", plural, namespace, name };
    if (image !== undefined && isOtherImage(image, formerImage)) {
      const uid = (await kubernetes.get(reference))?.metadata.uid;
      if (uid !== undefined) await refuseIfHindered(kubernetes, { namespace, cluster: name, uid }, image.major);
    }
    if (instances !== undefined) await takeInstancesBack(kubernetes, reference, instances);
  }
}

/** Of a state that does not know the former image, one that is not declared is as it was. */
function isOtherImage({ name, major }: { name: string; major?: number }, former: string | undefined): boolean {
  return former === undefined ? major !== undefined : name !== former;
}

/** What is declared; how the cluster is reached does not count. */
function told({ plural, namespace, object, written, instances, image }: UpdateCheckInputs): string {
  return JSON.stringify([plural, namespace, object, written, instances ?? null, image?.name ?? "", image?.major ?? 0]);
}

export const updateCheckOperations = updateCheck();
