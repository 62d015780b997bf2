/** The methods of Pulumi's provider behind a NamespaceRemoval. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiWriter, apiWriter, KubernetesConnection } from "../kubernetes/client";
import { isPassing, KubernetesError } from "../kubernetes/errors";
import { kubernetesUid, mustBeOfStack } from "../kubernetes/identity";
import type { Provider } from "../dynamic/methods";
import { UNKNOWN } from "../teleport/resources/document";
import { contentOf } from "./namespace-content";

/** Inputs of a NamespaceRemoval. */
export interface NamespaceInputs extends KubernetesConnection {
  namespace: string;
  /** The Namespace's `metadata.uid`. */
  uid: string;
}

/** What is remembered. */
export interface NamespaceState extends NamespaceInputs {
  /** UID of the Kubernetes cluster's `kube-system`; absent where it may not be read. */
  kubernetesUid?: string;
}

/** How long the garbage collector may take for what belonged to deleted objects, and a Namespace to go; in milliseconds. */
const TIMING = { poll: 1_000, collectedWithin: 60_000, goneWithin: 600_000 };

/** How many objects a message names. */
const SHOWN = 5;

/** The operations over a way of reaching the API server. */
export function namespaceRemoval(
  connect: (connection: KubernetesConnection) => Promise<ApiWriter> = apiWriter,
  timing = TIMING,
): Provider<NamespaceInputs, NamespaceState> {
  return {
    async check(_olds, news) {
      return { inputs: news };
    },
    async diff(_id, olds, news) {
      const replaces = news.namespace !== olds.namespace && news.namespace !== UNKNOWN ? ["namespace"] : [];
      const isOther = news.context !== olds.context || (news.uid !== olds.uid && news.uid !== UNKNOWN);
      return { changes: replaces.length > 0 || isOther, replaces };
    },
    async create(inputs) {
      return { id: inputs.namespace, outs: await withIdentity(inputs) };
    },
    async read(id, props) {
      return props ? { id, props } : {};
    },
    async update(_id, _olds, news) {
      return { outs: await withIdentity(news) };
    },
    async delete(_id, props) {
      const api = await connect(props);
      await mustBeOfStack(api, props.kubernetesUid);
      const path = `/api/v1/namespaces/${props.namespace}`;
      if ((await uidAt(api, path)) !== props.uid) return; // gone, or another one by now
      const left = await leftIn(api, props.namespace);
      if (left.length > 0) {
        const more = left.length > SHOWN ? ` and ${left.length - SHOWN} more` : "";
        console.error(
          `The Namespace ${props.namespace} is not deleted, because it is not empty: ` +
            `${left.slice(0, SHOWN).join(", ")}${more}. The stack no longer manages it. ` +
            `If nobody needs it, run: kubectl delete namespace ${props.namespace}`,
        );
        return;
      }
      await api.remove(path, props.uid);
      await untilGone(api, path, props);
    },
  };

  async function withIdentity(inputs: NamespaceInputs): Promise<NamespaceState> {
    return { ...inputs, kubernetesUid: await kubernetesUid(await connect(inputs)) };
  }

  /** What is left when the garbage collector has had its time. */
  async function leftIn(api: ApiWriter, namespace: string): Promise<string[]> {
    const deadline = Date.now() + timing.collectedWithin;
    for (;;) {
      const { left, orphaned } = await contentOf(api, namespace);
      if (left.length > 0 || orphaned.length === 0 || Date.now() > deadline) return [...left, ...orphaned];
      await sleep(timing.poll);
    }
  }

  async function untilGone(api: ApiWriter, path: string, { namespace, uid }: NamespaceInputs): Promise<void> {
    const deadline = Date.now() + timing.goneWithin;
    for (;;) {
      const found = await uidAt(api, path).catch((error: unknown) => {
        if (isPassing(error)) return uid; // an API server that does not answer may be back before the time is over
        throw error;
      });
      if (found !== uid) return;
      if (Date.now() > deadline) {
        throw new KubernetesError(
          "not-ready",
          `The Namespace ${namespace} is still being deleted after ${timing.goneWithin / 1000} s. See what holds it: ` +
            `kubectl get namespace ${namespace} -o yaml. Then run the command again.`,
        );
      }
      await sleep(timing.poll);
    }
  }
}

async function uidAt(api: ApiWriter, path: string): Promise<string | undefined> {
  const found = (await api.read(path)) as { metadata?: { uid?: string } } | undefined;
  return found?.metadata?.uid;
}

export const namespaceRemovalOperations = namespaceRemoval();
