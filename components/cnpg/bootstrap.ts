/** What CloudNativePG uses only once, when it creates a Cluster, and what a change of it does to an existing Cluster. Pure. */
import { isObject, UNKNOWN } from "../value-check";
import type { KubernetesObject } from "../kubernetes/client";
import { databaseAndOwner } from "./initdb";
import { type Spec, stringAt, valueAt } from "./spec";

/** The ways to create a Cluster, in the order in which CloudNativePG looks for the names of the application's database. */
export const BOOTSTRAP_METHODS = ["recovery", "pg_basebackup", "initdb"] as const;

/** The application's database. A field is undefined if the Cluster has none. */
export interface Application {
  database?: string;
  owner?: string;
  ownerSecret?: string;
}

/** The application's database, as CloudNativePG finds it (`GetApplicationDatabaseName` and others, CNPG 1.30). */
export function applicationOf(spec: Spec): Application {
  const first = (field: string) =>
    BOOTSTRAP_METHODS.map((method) => stringAt(spec, `bootstrap.${method}.${field}`)).find((value) => value);
  return { database: first("database"), owner: first("owner"), ownerSecret: first("secret.name") };
}

/** The setting for a database that exists, e.g. `initdb: { database: orders }`. */
export function initdbFor({ database, owner, ownerSecret }: Application): string {
  const settings = [
    `database: ${database}`,
    ...(owner === databaseAndOwner({ database }).owner ? [] : [`owner: ${owner}`]),
    ...(ownerSecret === undefined ? [] : [`ownerSecret: ${ownerSecret}`]),
  ];
  return `initdb: { ${settings.join(", ")} }`;
}

/**
 * Why other names of the application's database or of its owner are refused. Undefined if they are the same, or if the Cluster
 * has none. CloudNativePG would not create them, and would stop to reconcile if it finds another owner in the owner's Secret.
 */
export function applicationRefusal({ metadata, spec = {} }: KubernetesObject, declared: Spec): string | undefined {
  const [now, wanted] = [applicationOf(spec), applicationOf(declared)];
  const isChanged = (["database", "owner"] as const).some(
    (key) => now[key] !== undefined && ![undefined, UNKNOWN, now[key]].includes(wanted[key]),
  );
  if (!isChanged) return undefined;
  return (
    `The Cluster ${String(metadata.namespace)}/${metadata.name} was created with the database ${now.database}, owned by ` +
    `${now.owner}, and initdb now names the database ${wanted.database}, owned by ${wanted.owner}. CloudNativePG creates them ` +
    "only together with a Cluster, so they would not exist. Nothing was changed. Write " +
    `${initdbFor({ database: now.database, owner: now.owner })}. To create another database, use the setting databases. If you ` +
    "renamed them in PostgreSQL, first write the new names into the Cluster's spec.bootstrap, with kubectl edit."
  );
}

/** The names, which CloudNativePG uses again and again. */
const ALWAYS_USED = ["database", "owner", "secret"];
/** The settings of `initdb` that are called like the fields. */
const OF_INITDB = ["localeCollate", "localeCType", "encoding", "dataChecksums"];

/** The settings that have no effect, because the Cluster was created without them or with other values. */
export function unusedSettings({ spec = {} }: KubernetesObject, declared: Spec): string[] {
  const differing = (method: string) =>
    Object.entries((valueAt(declared, `bootstrap.${method}`) ?? {}) as Spec)
      .filter(([field]) => !ALWAYS_USED.includes(field))
      .filter(([field, value]) => !isContained(value, valueAt(spec, `bootstrap.${method}.${field}`)))
      .map(([field]) => field);
  // A Cluster that was created in another way may declare initdb afterwards: it says how the next Cluster is created.
  const initdb = isObject(valueAt(spec, "bootstrap.initdb")) ? differing("initdb") : [];
  return [
    ...(differing("recovery").length > 0 ? ["recovery"] : []),
    ...initdb.map((field) => (OF_INITDB.includes(field) ? `initdb.${field}` : `spec.bootstrap.initdb.${field}`)),
  ];
}

/** Whether a declared value is in the API server's value, to which defaults were added. What is not known yet is. */
function isContained(declared: unknown, found: unknown): boolean {
  if (declared === UNKNOWN || declared === undefined) return true;
  if (!isObject(declared)) return JSON.stringify(declared) === JSON.stringify(found);
  return isObject(found) && Object.entries(declared).every(([key, value]) => isContained(value, found[key]));
}
