/** The methods of Pulumi's provider behind an UpdateCheck. */
import { refuseIfHindered } from "./access/major-upgrade";
import { takeInstancesBack } from "./instances";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "./kubernetes/client";
import type { Provider } from "./provider";
import { keepStopped } from "./stopped-by-hand";

/** Inputs of an UpdateCheck, and its state. */
export interface UpdateCheckInputs extends KubernetesConnection {
  plural: "clusters" | "poolers";
  namespace: string;
  object: string;
  written: string;
  instances?: number;
  annotations?: Record<string, string>;
  image?: { name: string; major?: number };
}

/** The operations over a way of reaching Kubernetes. */
export function updateCheck(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
): Provider<UpdateCheckInputs, UpdateCheckInputs> {
  return {
    /** Also in the preview, and before anything of the Cluster is changed. */
    async check(olds, news) {
      await refuseUpgrade(news, olds?.image?.name);
      return { inputs: news };
    },
    async diff(_id, olds, news) {
      return { changes: told(olds) !== told(news) };
    },
    /** The object may be there: of an earlier release, or made by a run that was killed. */
    async create(inputs) {
      await prepare(inputs);
      return { id: `${inputs.plural}/${inputs.namespace}/${inputs.object}`, outs: inputs };
    },
    async read(id, props) {
      return props ? { id, props } : {};
    },
    async update(_id, _olds, news) {
      await prepare(news);
      return { outs: news };
    },
    async delete() {
      // It made nothing, so there is nothing to remove.
    },
  };

  async function refuseUpgrade({ image, ...inputs }: UpdateCheckInputs, formerImage?: string): Promise<void> {
    if (image === undefined || !isOtherImage(image, formerImage)) return;
    const kubernetes = await connect(inputs);
    await refuseIfHindered(kubernetes, { namespace: inputs.namespace, cluster: inputs.object }, image.major);
  }

  async function prepare(inputs: UpdateCheckInputs): Promise<void> {
    const { plural, namespace, object: name, instances, annotations } = inputs;
    const kubernetes = await connect(inputs);
    const reference = { apiVersion: "postgresql.cnpg.io/v1", plural, namespace, name };
    const found = await kubernetes.get(reference);
    if (!found) return;
    if (instances !== undefined) await takeInstancesBack(kubernetes, reference, found, instances);
    if (plural === "clusters") await keepStopped(kubernetes, reference, found, annotations);
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
