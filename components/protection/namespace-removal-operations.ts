/**
 * NamespaceRemoval: deletes a Namespace if nothing is left in it, besides objects that Kubernetes creates or deletes
 * itself.
 */
import {
  ApiWriter,
  apiWriter,
  KubernetesConnection,
  type ApiReader,
  type KubernetesObject,
} from "../kubernetes/client";
import { isUnavailable, KubernetesError } from "../kubernetes/errors";
import { kubernetesUid, requireStackCluster } from "../kubernetes/identity";
import type { ResourceKind } from "../dynamic/converge";
import { UNKNOWN } from "../value-check";
import { poll } from "../waiting";

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
const MAX_SHOWN = 5;

/** The kind of resource. `connect` reaches the API server. */
export function namespaceRemoval(
  connect: (connection: KubernetesConnection) => Promise<ApiWriter> = apiWriter,
  timing = TIMING,
): ResourceKind<NamespaceInputs, NamespaceState> {
  return {
    id: ({ namespace }) => namespace,
    replaces: (olds, news) => (news.namespace !== olds.namespace ? ["namespace"] : []),
    declared: ({ context }) => context,
    differs: async (news, olds) => news.uid !== olds.uid && news.uid !== UNKNOWN,
    apply: async (inputs) => ({ ...inputs, kubernetesUid: await kubernetesUid(await connect(inputs)) }),
    async remove(state) {
      const api = await connect(state);
      await requireStackCluster(api, state.kubernetesUid);
      const path = `/api/v1/namespaces/${state.namespace}`;
      if ((await uidAt(api, path)) !== state.uid) return; // it is gone, or was recreated
      const left = await leftIn(api, state.namespace);
      if (left.length > 0) {
        const more = left.length > MAX_SHOWN ? ` and ${left.length - MAX_SHOWN} more` : "";
        console.error(
          `The Namespace ${state.namespace} is not deleted, because it is not empty: ` +
            `${left.slice(0, MAX_SHOWN).join(", ")}${more}. The stack no longer manages it. ` +
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
        if (isUnavailable(error)) return uid; // the API server may answer again before the time limit
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

interface ApiResources {
  resources?: { name: string; kind: string; namespaced: boolean; verbs: string[] }[];
}

/** Objects that Kubernetes creates in each Namespace, and kinds that it derives from other objects. */
const EVERYWHERE = ["serviceaccounts/default", "configmaps/kube-root-ca.crt"];
const DERIVED = ["events", "endpoints", "endpointslices", "leases"];
/** API groups of measurements, not objects. */
const MEASURED = ["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];

/** The content of a Namespace. */
export interface NamespaceContent {
  /** Objects that nothing will delete, e.g. `configmaps/settings`, and kinds that could not be listed. */
  left: string[];
  /** Objects whose owner is not in the Namespace: it was just deleted, or it has no namespace. */
  orphaned: string[];
}

/**
 * Lists all kinds of objects. An object counts as left if nothing deletes it: it has no owner, and is not being
 * deleted. An object whose owner is in the Namespace is deleted or stays with its owner. Kinds that cannot be listed,
 * because of rights or of the API server, count as left.
 */
export async function contentOf(api: ApiReader, namespace: string): Promise<NamespaceContent> {
  const left: string[] = [];
  const found = new Map<string, { reference: string; owners: string[] }>();
  for (const group of await groupsOf(api)) {
    const { resources } = await listed<ApiResources>(api, `/${group}`, {});
    if (!resources) left.push(`objects of ${group} (not checked: the kinds of this API group could not be listed)`);
    const kinds = (resources ?? []).filter(
      ({ name, namespaced, verbs }) =>
        namespaced && verbs.includes("list") && !name.includes("/") && !DERIVED.includes(name),
    );
    for (const { name } of kinds) {
      const path = `/${group}/namespaces/${namespace}/${name}?limit=500`;
      const { items, metadata } = await listed<ObjectList>(api, path, {});
      if (!items || metadata?.continue)
        left.push(`${name}, ${items ? "of which there are too many to list" : "which could not be listed"}`);
      for (const { metadata: object } of items ?? []) {
        const { ownerReferences = [], deletionTimestamp } = object as unknown as Owned;
        const reference = `${name}/${object.name}`;
        if (deletionTimestamp !== undefined || EVERYWHERE.includes(reference)) continue;
        found.set(object.uid ?? reference, { reference, owners: ownerReferences.map(({ uid }) => uid) });
      }
    }
  }
  const objects = [...found.values()];
  const named = (which: (owners: string[]) => boolean) => [
    ...new Set(objects.filter(({ owners }) => which(owners)).map(({ reference }) => reference)),
  ];
  return {
    left: [...left, ...named((owners) => owners.length === 0)],
    orphaned: named((owners) => owners.length > 0 && !owners.some((uid) => found.has(uid))),
  };
}

interface ObjectList {
  items?: KubernetesObject[];
  metadata?: { continue?: string };
}

interface Owned {
  ownerReferences?: { uid: string }[];
  deletionTimestamp?: string;
}

/** `api/v1`, and every version of every group, e.g. `apis/apps/v1`: a kind may exist in only one of them. */
async function groupsOf(api: ApiReader): Promise<string[]> {
  const found = (await api.read("/apis")) as
    { groups?: { name: string; versions: { groupVersion: string }[] }[] } | undefined;
  const groups = (found?.groups ?? []).filter(({ name }) => !MEASURED.includes(name));
  const versions = groups.flatMap((group) => group.versions.map(({ groupVersion }) => `apis/${groupVersion}`));
  return ["api/v1", ...versions];
}

/** Returns `otherwise` if something cannot be listed, because a right or the server behind it is missing. */
async function listed<Answer>(api: ApiReader, path: string, otherwise: Answer): Promise<Answer> {
  try {
    return ((await api.read(path)) as Answer | undefined) ?? otherwise;
  } catch (error) {
    if (error instanceof KubernetesError && error.failure !== "configuration") return otherwise;
    throw error;
  }
}
