/** NamespaceRemoval: deletes a Namespace if nothing is left in it. */
import { ApiWriter, apiWriter, KubernetesConnection } from "../kubernetes/client";
import { isPassing, KubernetesError } from "../kubernetes/errors";
import { kubernetesUid, mustBeOfStack } from "../kubernetes/identity";
import type { ResourceKind } from "../dynamic/converge";
import { UNKNOWN } from "../value-check";
import { poll } from "../waiting";
import { contentOf } from "./namespace-content";

/** Inputs of a NamespaceRemoval. */
export interface NamespaceInputs extends KubernetesConnection {
  namespace: string;
  /** The Namespace's `metadata.uid`. */
  uid: string;
}

/** The stored state. */
export interface NamespaceState extends NamespaceInputs {
  /** UID of the Kubernetes cluster's `kube-system`; absent if it may not be read. */
  kubernetesUid?: string;
}

/** Time limits in milliseconds: for the garbage collector to delete dependents, and for a Namespace to disappear. */
const TIMING = { poll: 1_000, collectedWithin: 60_000, goneWithin: 600_000 };

/** Maximum number of objects in a message. */
const SHOWN = 5;

/** The kind of resource. `connect` reaches the API server. */
export function namespaceRemoval(
  connect: (connection: KubernetesConnection) => Promise<ApiWriter> = apiWriter,
  timing = TIMING,
): ResourceKind<NamespaceInputs, NamespaceState> {
  return {
    id: ({ namespace }) => namespace,
    replaces: (olds, news) => (news.namespace !== olds.namespace && news.namespace !== UNKNOWN ? ["namespace"] : []),
    declared: ({ context }) => context,
    differs: async (news, olds) => news.uid !== olds.uid && news.uid !== UNKNOWN,
    apply: async (inputs) => ({ ...inputs, kubernetesUid: await kubernetesUid(await connect(inputs)) }),
    async remove(state) {
      const api = await connect(state);
      await mustBeOfStack(api, state.kubernetesUid);
      const path = `/api/v1/namespaces/${state.namespace}`;
      if ((await uidAt(api, path)) !== state.uid) return; // it is gone, or was recreated
      const left = await leftIn(api, state.namespace);
      if (left.length > 0) {
        const more = left.length > SHOWN ? ` and ${left.length - SHOWN} more` : "";
        console.error(
          `The Namespace ${state.namespace} is not deleted, because it is not empty: ` +
            `${left.slice(0, SHOWN).join(", ")}${more}. The stack no longer manages it. ` +
            `If nobody needs it, run: kubectl delete namespace ${state.namespace}`,
        );
        return;
      }
      await api.remove(path, state.uid);
      await untilGone(api, path, state);
    },
  };

  /** The objects that are left after the garbage collector had time to work. */
  async function leftIn(api: ApiWriter, namespace: string): Promise<string[]> {
    return poll(async ({ waited }) => {
      const { left, orphaned } = await contentOf(api, namespace);
      const isOver = left.length > 0 || orphaned.length === 0 || waited() > timing.collectedWithin;
      return isOver ? [...left, ...orphaned] : undefined;
    }, timing.poll);
  }

  async function untilGone(api: ApiWriter, path: string, { namespace, uid }: NamespaceInputs): Promise<void> {
    await poll(async ({ waited }) => {
      const found = await uidAt(api, path).catch((error: unknown) => {
        if (isPassing(error)) return uid; // the API server may answer again before the time limit
        throw error;
      });
      if (found !== uid) return "gone";
      if (waited() > timing.goneWithin) {
        throw new KubernetesError(
          "not-ready",
          `The Namespace ${namespace} is still being deleted after ${timing.goneWithin / 1000} s. To see the reason, run: ` +
            `kubectl get namespace ${namespace} -o yaml. Then run the command again.`,
        );
      }
      return undefined;
    }, timing.poll);
  }
}

async function uidAt(api: ApiWriter, path: string): Promise<string | undefined> {
  const found = (await api.read(path)) as { metadata?: { uid?: string } } | undefined;
  return found?.metadata?.uid;
}
