/** An existing Cluster that becomes part of a stack: what is refused, what changes, and what stays as it is. Pure. */
import type { KubernetesObject } from "../kubernetes/client";
import { parseQuantity } from "../kubernetes/quantity";
import { OWNER_LABEL } from "../owner-label";
import { isObject } from "../value-check";
import { applicationOf, BOOTSTRAP_METHODS, initdbFor } from "./bootstrap";
import { majorOfImage, versionOfImage } from "./image";
import { listAt, type Spec, stringAt, valueAt } from "./spec";

/**
 * Annotation of a Cluster whose adoption has begun. The field manager of the Cluster's resource owns it, and does not declare
 * it. So the API server removes it when Pulumi's Kubernetes provider applies the declared Cluster.
 */
export const ADOPTION_ANNOTATION = "cnpg-teleport/adoption";

/** Whether the Cluster is already the owner's, so that there is nothing to adopt. */
export function isAdopted({ metadata }: KubernetesObject, owner: string): boolean {
  const annotations = (metadata.annotations ?? {}) as Record<string, string>;
  return annotations[OWNER_LABEL] === owner && annotations[ADOPTION_ANNOTATION] === undefined;
}

/** Why a Cluster cannot be adopted with a declared `spec`. Each reason ends with what to do. */
export function adoptionRefusals(found: KubernetesObject, declared: Spec): string[] {
  return [
    ...refusedState(found),
    ...refusedManagers(found),
    ...refusedDatabase(found.spec ?? {}, declared),
    ...refusedVersion(found, declared),
    ...["storage", "walStorage"].flatMap((field) => refusedSize(field, found.spec ?? {}, declared)),
  ];
}

function refusedState({ metadata: { name, deletionTimestamp }, spec = {} }: KubernetesObject): string[] {
  const primary = stringAt(spec, "replica.primary");
  const self = stringAt(spec, "replica.self") ?? name;
  const isReplica = valueAt(spec, "replica.enabled") === true || (primary !== undefined && primary !== self);
  return [
    ...(deletionTimestamp === undefined
      ? []
      : ['It is being deleted. Remove adopt, and recover its data: docs/backup.md, "Recover a lost database".']),
    ...(isReplica ? ["It is a replica of another Cluster (spec.replica). Promote it first."] : []),
  ];
}

interface Metadata {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { kind: string; name: string }[];
}

/** The marks of tools that undo the changes of others, and the commands that remove the marks. */
const MANAGERS = [
  { tool: "Argo CD", kind: "annotations", key: "argocd.argoproj.io/tracking-id", command: "annotate" },
  { tool: "Flux", kind: "labels", key: "kustomize.toolkit.fluxcd.io/name", command: "label" },
  { tool: "Flux", kind: "labels", key: "helm.toolkit.fluxcd.io/name", command: "label" },
] as const;

function refusedManagers({ metadata }: KubernetesObject): string[] {
  const { ownerReferences = [], ...marks } = metadata as unknown as Metadata;
  const place = `-n ${String(metadata.namespace)}`;
  return [
    ...ownerReferences.map(
      ({ kind, name }) =>
        `It belongs to the ${kind} ${name}, which may change or delete it. Remove metadata.ownerReferences first.`,
    ),
    ...MANAGERS.flatMap(({ tool, kind, key, command }) => {
      const mark = marks[kind]?.[key];
      if (mark === undefined) return [];
      return [
        `${tool} manages it (${key}: ${mark}), and would undo the changes or delete it. Remove it from ${tool} without ` +
          `deleting it, and run: kubectl ${command} ${place} clusters.postgresql.cnpg.io ${metadata.name} ${key}-`,
      ];
    }),
  ];
}

/** The release of Helm that made the Cluster. Undefined if there is none, or if Helm keeps the Cluster. */
export function helmRelease({ metadata }: KubernetesObject): { name: string; namespace: string } | undefined {
  const { annotations = {} } = metadata as unknown as Metadata;
  const name = annotations["meta.helm.sh/release-name"];
  if (name === undefined || annotations["helm.sh/resource-policy"] === "keep") return undefined;
  return { name, namespace: annotations["meta.helm.sh/release-namespace"] ?? String(metadata.namespace) };
}

/**
 * CloudNativePG ignores `bootstrap` in an existing Cluster, except for the names of the application's database, its owner and
 * the owner's Secret. With other names, it would stop to reconcile (`wrong username in secret`), or set another password.
 */
function refusedDatabase(found: Spec, declared: Spec): string[] {
  const [now, wanted] = [applicationOf(found), applicationOf(declared)];
  if (now.database === undefined || now.owner === undefined) {
    if (wanted.ownerSecret !== undefined) return [];
    return [
      "initdb.ownerSecret is missing. The Cluster has no application database yet, so CloudNativePG would give the role " +
        `${wanted.owner} a new password. Write the role's name and present password into a Secret of the type ` +
        "kubernetes.io/basic-auth, and set initdb.ownerSecret to its name.",
    ];
  }
  const isSame = now.database === wanted.database && now.owner === wanted.owner;
  if (isSame && now.ownerSecret === wanted.ownerSecret) return [];
  const secret = now.ownerSecret === undefined ? "" : `, whose password is in the Secret ${now.ownerSecret}`;
  return [
    `initdb names another database, owner or Secret. The Cluster's database is ${now.database}, owned by ` +
      `${now.owner}${secret}. Write ${initdbFor(now)}`,
  ];
}

function refusedVersion(found: KubernetesObject, declared: Spec): string[] {
  const image = (found.status?.image as string | undefined) ?? stringAt(found.spec, "imageName") ?? "";
  const wanted = stringAt(declared, "imageName") ?? "";
  const now = (valueAt(found.status, "pgDataImageInfo.majorVersion") as number | undefined) ?? majorOfImage(image);
  const major = majorOfImage(wanted) ?? (valueAt(declared, "imageCatalogRef.major") as number | undefined);
  if (now !== undefined && major !== undefined && now !== major) {
    return [
      `It runs PostgreSQL ${now}, and the settings declare ${major}. Adopt it with an image of PostgreSQL ${now}. You can ` +
        'upgrade it afterwards: docs/operations.md, "Upgrading PostgreSQL".',
    ];
  }
  const [running, declaredVersion] = [versionOfImage(image), versionOfImage(wanted)];
  if (running === undefined || declaredVersion === undefined || declaredVersion.minor >= running.minor) return [];
  return [`image = ${JSON.stringify(wanted)} is older than ${image}, which it runs. Use at least the present version.`];
}

function refusedSize(field: string, found: Spec, declared: Spec): string[] {
  const size = (spec: Spec) =>
    stringAt(spec, `${field}.size`) ?? stringAt(spec, `${field}.pvcTemplate.resources.requests.storage`);
  const [now, wanted] = [size(found), size(declared)];
  const isSmaller = (parseQuantity(wanted ?? "") ?? Infinity) < (parseQuantity(now ?? "") ?? 0);
  if (!isSmaller) return [];
  return [`${field}.size = ${JSON.stringify(wanted)} is smaller than the Cluster's ${now}. Write at least ${now}.`];
}

/** The fields that must go, because they exclude declared ones. CloudNativePG's webhook refuses both together. */
export function excludedFields(found: Spec, declared: Spec): string[] {
  const archives = listAt(declared, "plugins").some((plugin) => valueAt(plugin, "isWALArchiver") === true);
  const isDeclared = (field: string) => (valueAt(declared, field) ?? undefined) !== undefined;
  const candidates: [field: string, isExcluded: boolean][] = [
    ...BOOTSTRAP_METHODS.map((method): [string, boolean] => [`bootstrap.${method}`, isDeclared("bootstrap")]),
    ["imageName", isDeclared("imageCatalogRef")],
    ["imageCatalogRef", isDeclared("imageName")],
    ["certificates.serverAltDNSNames", isDeclared("certificates.serverTLSSecret")],
    ["backup.barmanObjectStore", archives],
    ["backup.retentionPolicy", archives],
  ];
  return candidates.flatMap(([field, isExcluded]) =>
    isExcluded && valueAt(found, field) !== undefined && !isDeclared(field) ? [field] : [],
  );
}

/** A JSON merge patch of `spec`: what is declared, without the fields that it excludes. */
export function adoptedSpec(found: Spec, declared: Spec): Record<string, unknown> {
  const patch = structuredClone(declared) as Record<string, unknown>;
  for (const field of excludedFields(found, declared)) {
    const keys = field.split(".");
    const last = keys.pop() ?? "";
    const parent = keys.reduce((object, key) => (object[key] ??= {}) as Record<string, unknown>, patch);
    parent[last] = null;
  }
  return patch;
}

/** Whether the write-ahead log is archived. */
export function isArchived(spec: Spec): boolean {
  return (
    valueAt(spec, "backup.barmanObjectStore") !== undefined ||
    listAt(spec, "plugins").some(
      (plugin) => valueAt(plugin, "isWALArchiver") === true && valueAt(plugin, "enabled") !== false,
    )
  );
}

/** What to know about a changed field. */
const NOTES: Record<string, string> = {
  bootstrap: "This has no effect on an existing Cluster.",
  backup: "Backups that were taken stay where they are. The new archive begins with its own first backup.",
  certificates: "Names that clients use must be in serverAltNames.",
  imageName: "Instances restart.",
  instances: "With fewer instances, CloudNativePG deletes standbys and their volumes.",
  "managed.roles": "A role that goes stays in PostgreSQL with its password, but CloudNativePG no longer manages it.",
  "postgresql.pg_hba": "Write rules that you need under pgHba.",
};

/** The changed fields, each in one line. The fields of `certificates` that name Secrets are described by certificateChange. */
export function changedFields(before: Spec, after: Spec): string[] {
  return differences(before, after, "").flatMap(({ field, from, to }) => {
    if (/^certificates\..*Secret$/.test(field)) return [];
    const note = Object.entries(NOTES).find(([prefix]) => field === prefix || field.startsWith(`${prefix}.`))?.[1];
    return [`spec.${field}: ${describedChange(from, to)}${note === undefined ? "" : `. ${note}`}`];
  });
}

/** The fields that stay although no setting declares them: those that a new Cluster would not have. */
export function keptFields(after: Spec, fresh: Spec): string[] {
  return differences(fresh, after, "").flatMap(({ field, to }) =>
    to === undefined ? [] : [`spec.${field}: ${Array.isArray(to) ? namesOf(to).join(", ") : shown(to)}`],
  );
}

/** What changes for clients that verify the server, or log in by certificate. */
export function certificateChange({ status }: KubernetesObject, after: Spec): string[] {
  const [before, now] = [
    stringAt(status, "certificates.serverCASecret"),
    stringAt(after, "certificates.serverCASecret"),
  ];
  const clientCa = stringAt(status, "certificates.clientCASecret");
  if (before === undefined || now === undefined || before === now) return [];
  return [
    `Certificates are issued by this program. Clients that verify the server (sslmode verify-ca or verify-full) with the CA ` +
      `in the Secret ${before} must use the CA in the Secret ${now}. Certificates of clients that the CA in ` +
      `${clientCa ?? before} signed are no longer accepted. Logins with a password work as before.`,
  ];
}

interface Difference {
  field: string;
  from: unknown;
  to: unknown;
}

function differences(before: unknown, after: unknown, field: string): Difference[] {
  if (JSON.stringify(sorted(before)) === JSON.stringify(sorted(after))) return [];
  const old = before ?? {};
  if (!isObject(old) || !isObject(after)) return [{ field, from: before, to: after }];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(after)])].sort();
  return keys.flatMap((key) => differences(old[key], after[key], field === "" ? key : `${field}.${key}`));
}

/** Of lists, only what goes and what comes is shown, and of objects in lists only their name. */
function describedChange(from: unknown, to: unknown): string {
  if (Array.isArray(from ?? to) && Array.isArray(to ?? from)) {
    const [old, recent] = [from ?? [], to ?? []].map((list) => new Map((list as unknown[]).map(named)));
    const gone = [...(old ?? [])].filter(([text]) => !recent?.has(text)).map(([, name]) => name);
    const come = [...(recent ?? [])].filter(([text]) => !old?.has(text)).map(([, name]) => name);
    const parts = [
      ...gone.filter((name) => come.includes(name)).map((name) => `${name} changes`),
      ...gone.filter((name) => !come.includes(name)).map((name) => `${name} goes`),
      ...come.filter((name) => !gone.includes(name)).map((name) => `${name} is added`),
    ];
    return parts.join(", ") || "another order";
  }
  if (to === undefined) return `${shown(from)} goes`;
  return from === undefined ? shown(to) : `${shown(from)} → ${shown(to)}`;
}

/** The names of objects in a list: their values may be secret, e.g. in \`env\`. Other items as they are. */
function namesOf(list: unknown[]): string[] {
  return list.map((item) => named(item)[1]);
}

/** An item of a list, as a text and with its name. */
function named(item: unknown): [text: string, name: string] {
  const name = isObject(item) && typeof item.name === "string" ? item.name : shown(item);
  return [JSON.stringify(sorted(item)), name];
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each)]));
}

const shown = (value: unknown) => cut(JSON.stringify(value) ?? "nothing");
const cut = (text: string) => (text.length > 120 ? `${text.slice(0, 117)}...` : text);
