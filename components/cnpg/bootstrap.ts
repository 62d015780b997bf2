/** The fields that CloudNativePG uses only when it creates a Cluster, and what happens if they change later. Pure. */
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
 * Why another name of the application's database or of its owner is refused. Undefined if the names are the same, or if the Cluster
 * has none. CloudNativePG would not create them, and would stop reconciling if it found another owner in the owner's Secret.
 */
export function applicationRefusal({ metadata, spec = {} }: KubernetesObject, declared: Spec): string | undefined {
  const [now, wanted] = [applicationOf(spec), applicationOf(declared)];
  const isChanged = (["database", "owner"] as const).some(
    (key) => now[key] !== undefined && ![undefined, UNKNOWN, now[key]].includes(wanted[key]),
  );
  if (!isChanged) return undefined;
  return (
    `The Cluster ${String(metadata.namespace)}/${metadata.name} was created with the database ${now.database}, owned by ` +
    `${now.owner}, but initdb names the database ${wanted.database}, owned by ${wanted.owner}. CloudNativePG creates both only ` +
    "when it creates a Cluster, so they would not exist. Nothing was changed. Write " +
    `${initdbFor({ database: now.database, owner: now.owner })}. To create an additional database, use the setting databases. ` +
    "If you renamed the database or its owner in PostgreSQL, first write the new names into the Cluster's spec.bootstrap, " +
    "with kubectl edit."
  );
}

/** Fields that CloudNativePG also uses after it has created the Cluster. */
const ALWAYS_USED = ["database", "owner", "secret"];
/** The settings of `initdb` that have the same names as their fields. */
const OF_INITDB = ["localeCollate", "localeCType", "encoding", "dataChecksums"];

/** The settings that have no effect, because the existing Cluster was created without them or with other values. */
export function unusedSettings({ spec = {} }: KubernetesObject, declared: Spec): string[] {
  const differing = (method: string) =>
    Object.entries((valueAt(declared, `bootstrap.${method}`) ?? {}) as Spec)
      .filter(([field]) => !ALWAYS_USED.includes(field))
      .filter(([field, value]) => !isContained(value, valueAt(spec, `bootstrap.${method}.${field}`)))
      .map(([field]) => field);
  // If a Cluster was not created with initdb, the settings may still declare initdb, for the next Cluster.
  const initdb = isObject(valueAt(spec, "bootstrap.initdb")) ? differing("initdb") : [];
  return [
    ...(differing("recovery").length > 0 ? ["recovery"] : []),
    ...initdb.map((field) => (OF_INITDB.includes(field) ? `initdb.${field}` : `spec.bootstrap.initdb.${field}`)),
  ];
}

/** Whether the API server's value, which includes defaults, contains a declared value. Unknown values count as contained. */
function isContained(declared: unknown, found: unknown): boolean {
  if (declared === UNKNOWN || declared === undefined) return true;
  if (!isObject(declared)) return JSON.stringify(declared) === JSON.stringify(found);
  return isObject(found) && Object.entries(declared).every(([key, value]) => isContained(value, found[key]));
}
