/** Adoption: takes an existing Cluster and its objects into the stack. It changes only who owns their fields. */
import { barmanCloudOf } from "../cnpg/object-store";
import {
  adoptedSpec,
  ADOPTION_ANNOTATION,
  adoptionRefusals,
  certificateChange,
  changedFields,
  excludedFields,
  helmRelease,
  isAdopted,
  isArchived,
  keptFields,
} from "../cnpg/adopted-cluster";
import { DeclaredCluster, dryRunCluster } from "../cnpg/dry-run";
import { mergeSpec, type Spec, stringAt } from "../cnpg/spec";
import { clusterConflict, IN_PREVIEW } from "../cnpg/taken-cluster";
import type { ResourceKind } from "../dynamic/converge";
import {
  ApiValidator,
  apiValidator,
  collection,
  KubernetesClient,
  kubernetesClient,
  KubernetesConnection,
  KubernetesObject,
  ObjectReference,
  RequestLimits,
} from "../kubernetes/client";
import { KubernetesError, printUnchecked } from "../kubernetes/errors";
import { ownedOnlyBy } from "../kubernetes/field-owners";
import { firstOf, printable } from "../message-limits";
import { OWNER_LABEL } from "../owner-label";
import { UNKNOWN } from "../value-check";
import type { AdoptableObject } from "./adoption";

/** Inputs of an Adoption. */
export interface AdoptionInputs extends KubernetesConnection {
  namespace: string;
  cluster: string;
  owner: string;
  manager: string;
  /** The DeclaredCluster, as JSON. */
  declared: string;
  /** The other objects of this program for the Cluster. They may exist, e.g. from another stack that kept the Cluster. */
  objects: AdoptableObject[];
}

/** Its state. */
export interface AdoptionState extends AdoptionInputs {
  /** The UID of the Cluster that was adopted. */
  uid: string;
}

/** What an adoption needs of Kubernetes. */
export type AdoptionClient = Pick<KubernetesClient, "get" | "list" | "patch" | "own"> & ApiValidator;
type Connect = (connection: KubernetesConnection, limits?: RequestLimits) => Promise<AdoptionClient>;

const connected: Connect = async (connection, limits) => ({
  ...(await apiValidator(connection, limits)),
  ...(await kubernetesClient(connection, limits)),
});

/** The kind of resource. `connect` reaches the API server. */
export function adoption(connect: Connect = connected): ResourceKind<AdoptionInputs, AdoptionState> {
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}`,
    /** Runs in every preview and every `up`. Says what will change, until it has changed. */
    async check(news, olds) {
      if (news.namespace === UNKNOWN || news.declared === UNKNOWN)
        return unchecked(news, "its settings are not known yet");
      try {
        const api = await connect(news, IN_PREVIEW);
        const found = await clusterOf(api, news);
        const reason = await refusal(api, news, found, olds);
        if (reason !== undefined) return { refusals: [reason] };
        if (!found || isAdopted(found, news.owner)) return {};
        const refused = await previewed(api, news, found);
        return { refusals: refused === undefined ? [] : [refused] };
      } catch (error) {
        if (!(error instanceof KubernetesError)) throw error;
        return unchecked(news, error.message, error);
      }
    },
    async differs(news, olds) {
      try {
        const found = await clusterOf(await connect(news, IN_PREVIEW), news);
        return found !== undefined && (!isAdopted(found, news.owner) || found.metadata.uid !== olds.uid);
      } catch (error) {
        if (!(error instanceof KubernetesError)) throw error;
        return false; // `check` has said it
      }
    },
    async apply(inputs, olds) {
      const api = await connect(inputs);
      const found = await clusterOf(api, inputs);
      const reason = await refusal(api, inputs, found, olds);
      if (reason !== undefined) throw new KubernetesError("configuration", reason);
      if (found && !isAdopted(found, inputs.owner)) await adopt(api, inputs, found);
      return { ...inputs, uid: found?.metadata.uid ?? olds?.uid ?? "" };
    },
  };
}

/**
 * Takes the Cluster, and then its objects. First the owner is written: a conflict means that another stack was faster. The
 * fields are applied afterwards, by Pulumi's Kubernetes provider, in one request for each object.
 */
async function adopt(api: AdoptionClient, inputs: AdoptionInputs, found: KubernetesObject): Promise<void> {
  const { owner, manager, objects } = inputs;
  const annotations = { [OWNER_LABEL]: owner, [ADOPTION_ANNOTATION]: "begun" };
  const metadata = { uid: found.metadata.uid ?? "", annotations };
  await api.own(clusterReference(inputs), { kind: "Cluster", metadata }, manager);
  const excluded = excludedFields(found.spec ?? {}, declaredSpec(inputs)).map((field) => ["spec", ...field.split(".")]);
  await takeFields(api, clusterReference(inputs), manager, [
    ["metadata", "annotations", OWNER_LABEL],
    ["metadata", "annotations", ADOPTION_ANNOTATION],
    ...excluded,
  ]);
  for (const object of objects) {
    const reference = referenceOf(inputs, object);
    const present = await api.get(reference);
    if (!present || ownerIn(present) === object.owner) continue;
    await takeFields(api, reference, object.manager, [["metadata", "annotations", OWNER_LABEL]]);
  }
}

/** From now on, nobody but the manager owns a field of the object. */
async function takeFields(
  api: AdoptionClient,
  reference: ObjectReference,
  manager: string,
  fields: readonly string[][],
): Promise<void> {
  const found = await api.get(reference);
  if (!found) return;
  const managedFields = ownedOnlyBy(found, manager, fields);
  await api.patch(reference, { metadata: { uid: found.metadata.uid, managedFields } }, manager);
}

/** Why the Cluster cannot be adopted. Undefined if it can, or if it is adopted already. */
async function refusal(
  api: AdoptionClient,
  inputs: AdoptionInputs,
  found: KubernetesObject | undefined,
  olds: Partial<AdoptionState> | undefined,
): Promise<string | undefined> {
  const { namespace, cluster: name, owner } = inputs;
  if (!found) return refusalOf(inputs, await missing(api, inputs, olds));
  if (isAdopted(found, owner)) return undefined;
  const taken = await clusterConflict(api, { namespace, name, owner, adopt: true });
  if (taken !== undefined) return taken;
  const [helm, objects] = await Promise.all([helmRefusal(api, found), objectRefusals(api, inputs, found)]);
  return refusalOf(inputs, [...adoptionRefusals(found, declaredSpec(inputs)), ...helm, ...objects]);
}

/** Helm forgets a release if its Secret is deleted. Otherwise `helm uninstall` would delete the Cluster. */
async function helmRefusal(api: AdoptionClient, found: KubernetesObject): Promise<string[]> {
  const release = helmRelease(found);
  if (release === undefined) return [];
  const { name, namespace } = release;
  const labels = `owner=helm,name=${name}`;
  try {
    if ((await api.list({ apiVersion: "v1", plural: "secrets", namespace }, labels)).length === 0) return [];
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.failure !== "access-denied") throw error;
    console.error(
      `Warning: Helm made the Cluster ${found.metadata.name} as a part of the release ${namespace}/${name}, which could not be ` +
        `looked up: ${error.message} If the release exists, \`helm uninstall\` deletes the Cluster with its data.`,
    );
    return [];
  }
  return [
    `It is a part of the Helm release ${name}: \`helm upgrade\` would undo the changes, and \`helm uninstall\` would delete it ` +
      `with its data. If the release contains nothing else, let Helm forget it, which deletes nothing: kubectl -n ${namespace} ` +
      `delete secret -l ${labels}. Otherwise see docs/take-over.md, "A Cluster made by Helm".`,
  ];
}

/** Objects that this program would overwrite although they are not the Cluster's. */
async function objectRefusals(
  api: AdoptionClient,
  inputs: AdoptionInputs,
  cluster: KubernetesObject,
): Promise<string[]> {
  const reasons = inputs.objects.map(async (object) => {
    const found = await api.get(referenceOf(inputs, object));
    if (!found || ownerIn(found) === object.owner || isOfCluster(found, object, cluster)) return [];
    return [
      `The ${object.kind} ${object.name} exists already and is not this Cluster's, so this program must not overwrite it. Use ` +
        "another name for it, and delete it when nothing needs it any more.",
    ];
  });
  return (await Promise.all(reasons)).flat();
}

/** Whether an object belongs to the Cluster: CloudNativePG or a person made it, or a stack of this program kept it. */
function isOfCluster(found: KubernetesObject, { plural, name }: AdoptableObject, cluster: KubernetesObject): boolean {
  const { ownerReferences = [] } = found.metadata as { ownerReferences?: { name: string }[] };
  const isOwned = ownerReferences.some((owner) => owner.name === cluster.metadata.name);
  switch (plural) {
    case "secrets":
    case "networkpolicies":
      return ownerReferences.length > 0 ? isOwned : ownerIn(found) !== undefined;
    case "objectstores":
      return ownerIn(found) !== undefined || barmanCloudOf(cluster.spec ?? {})?.parameters?.barmanObjectName === name;
    default:
      return stringAt(found.spec, "cluster.name") === cluster.metadata.name;
  }
}

/** Why there is nothing to adopt. None if the stack has adopted the Cluster before: then other checks report the loss. */
async function missing(
  api: AdoptionClient,
  { namespace, cluster }: AdoptionInputs,
  olds: Partial<AdoptionState> | undefined,
): Promise<string[]> {
  if (olds?.uid !== undefined) return [];
  const all = await api.list({ apiVersion: CNPG, plural: "clusters", namespace: "" }).catch((error: unknown) => {
    if (error instanceof KubernetesError && error.failure === "access-denied") return [];
    throw error;
  });
  const elsewhere = all.filter(({ metadata }) => metadata.name === cluster).map(({ metadata }) => metadata.namespace);
  const hint =
    elsewhere.length > 0
      ? `There is a Cluster of this name in ${elsewhere.join(", ")}: set namespace.`
      : "Correct namespace and clusterName.";
  return [`It does not exist in the namespace ${namespace}. ${hint} To create a new database, remove adopt.`];
}

/** Asks the API server and the operator what the adoption would change, and prints it. Returns why they refuse it. */
async function previewed(
  api: AdoptionClient,
  inputs: AdoptionInputs,
  found: KubernetesObject,
): Promise<string | undefined> {
  const { cluster, objects } = inputs;
  const declared = JSON.parse(inputs.declared) as DeclaredCluster;
  const path = `${collection(clusterReference(inputs))}/${cluster}`;
  let after: Spec | undefined;
  const verdict = await dryRunCluster(cluster, declared, async (wanted) => {
    const { metadata, spec } = wanted as { metadata: { annotations: object }; spec: Spec };
    const patch = { metadata: { annotations: metadata.annotations }, spec: adoptedSpec(found.spec ?? {}, spec) };
    const answer = await api.dryRun(path, patch, "patch");
    if (answer.code < 300) after ??= specOf(answer.text);
    return answer;
  });
  if (verdict.is === "refused") {
    const lines = verdict.fields.map(({ setting, problem }) => `${setting === "" ? "" : `${setting}: `}${problem}.`);
    return refusalOf(inputs, ["CloudNativePG refuses the change. Correct these settings:", ...lines]);
  }
  if (verdict.is === "unknown" || after === undefined) {
    unchecked(inputs, verdict.is === "unknown" ? verdict.reason : "the API server returned no Cluster");
    return undefined;
  }
  if (isArchived(found.spec ?? {}) && !isArchived(after)) {
    const reason = "Its write-ahead log would no longer be archived. Declare backup, or write its plugins under spec.";
    return refusalOf(inputs, [reason]);
  }
  const taken = await Promise.all(
    objects.map(async (object) => {
      const present = await api.get(referenceOf(inputs, object));
      return present && ownerIn(present) !== object.owner ? [`${object.kind} ${object.name}`] : [];
    }),
  );
  print(inputs, [
    ["`pulumi up` changes", [...certificateChange(found, after), ...changedFields(found.spec ?? {}, after)]],
    ["`pulumi up` also takes over", taken.flat()],
    [
      "These fields stay, although no setting declares them. Write those that you want to manage here under spec",
      keptFields(after, (await freshSpec(api, inputs, declared)) ?? declaredSpec(inputs)),
    ],
  ]);
  return undefined;
}

/** The spec of a new Cluster with these settings, with the operator's defaults. Undefined if the operator cannot be asked. */
async function freshSpec(
  api: AdoptionClient,
  inputs: AdoptionInputs,
  { annotations }: DeclaredCluster,
): Promise<Spec | undefined> {
  const { apiVersion } = clusterReference(inputs);
  const metadata = { name: `${inputs.cluster.slice(0, 40)}-fresh`, annotations };
  const cluster = { apiVersion, kind: "Cluster", metadata, spec: declaredSpec(inputs) };
  const { code, text } = await api.dryRun(collection(clusterReference(inputs)), cluster);
  return code < 300 ? specOf(text) : undefined;
}

function print({ namespace, cluster }: AdoptionInputs, parts: [title: string, lines: string[]][]): void {
  const paragraphs = parts.flatMap(([title, lines]) =>
    lines.length === 0
      ? []
      : [
          `${title}:\n${firstOf(lines)
            .map((line) => `  - ${printable(line)}\n`)
            .join("")}`,
        ],
  );
  console.error(
    `The Cluster ${namespace}/${cluster} exists, and becomes part of this stack. Pulumi shows it as created. It keeps its UID, its ` +
      `volumes and its data. ${paragraphs.join("")}`,
  );
}

function unchecked(inputs: AdoptionInputs, reason: string, error?: unknown): object {
  printUnchecked(
    `The preview could not check what the adoption of the Cluster ${inputs.cluster} changes (${printable(reason)}). ` +
      "`pulumi up` checks what it must refuse.",
    error,
  );
  return {};
}

/** The message about all reasons. Undefined if there is none. */
function refusalOf({ namespace, cluster }: AdoptionInputs, reasons: readonly string[]): string | undefined {
  if (reasons.length === 0) return undefined;
  const lines = firstOf(reasons).map((reason) => `\n  - ${reason}`);
  return `The Cluster ${namespace}/${cluster} cannot be adopted. Nothing was changed.${lines.join("")}`;
}

const CNPG = "postgresql.cnpg.io/v1";

function clusterReference({ namespace, cluster }: AdoptionInputs): ObjectReference {
  return { apiVersion: CNPG, plural: "clusters", namespace, name: cluster };
}

function clusterOf(api: AdoptionClient, inputs: AdoptionInputs): Promise<KubernetesObject | undefined> {
  return api.get(clusterReference(inputs));
}

function referenceOf({ namespace }: AdoptionInputs, { apiVersion, plural, name }: AdoptableObject): ObjectReference {
  return { apiVersion, plural, namespace, name };
}

function ownerIn({ metadata }: KubernetesObject): string | undefined {
  return (metadata.annotations as Record<string, string> | undefined)?.[OWNER_LABEL];
}

function declaredSpec({ declared }: AdoptionInputs): Record<string, unknown> {
  const { settings, spec } = JSON.parse(declared) as DeclaredCluster;
  return mergeSpec(settings, spec);
}

function specOf(text: string): Spec | undefined {
  return (JSON.parse(text) as { spec?: Spec }).spec;
}
