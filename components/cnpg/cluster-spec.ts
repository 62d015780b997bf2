/** Turns settings into the `spec` of CNPG's Cluster. Pure. */
import { isObject } from "../value-check";
import { BackupPlan, backupSpec } from "./backup";
import type { BackupSettings } from "./backup";
import type { UsersAs } from "./database-roles";
import { DatabasesSettings } from "./databases";
import { ImageSettings, imageSpec } from "./image";
import { InitDb, initDbSpec } from "./initdb";
import type { MetadataSettings } from "./metadata";
import { NetworkPolicySettings } from "./network-policy";
import { ParameterSettings } from "./parameters";
import { pgHbaRules } from "./pg-hba";
import { RecoveryPlan, recoverySpec } from "./recovery";
import type { RecoverySettings } from "./recovery";
import { Resources } from "./resources";
import { managedRoles, TeleportUser } from "./roles";
import { StorageSettings, storageSpec } from "./storage";

export { databaseAndOwner, DEFAULT_DATABASE } from "./initdb";
export type { InitDb } from "./initdb";
export type { Resources } from "./resources";
export type { Storage } from "./storage";

/** The settings of a Cluster and its objects that do not depend on other resources. */
export interface ClusterSettings
  extends ImageSettings, StorageSettings, ParameterSettings, MetadataSettings, DatabasesSettings {
  /** Number of PostgreSQL instances: one primary, and standbys. Default: 3. */
  instances?: number;
  /**
   * Set it to true if something else scales the Cluster, e.g. an autoscaler or `kubectl scale`. `up` then creates the
   * Cluster with `instances` and does not change the number afterwards. Default: false, so every `up` sets the number.
   */
  scaledByOthers?: boolean;
  /** CPU and memory of each instance. Default: no requests and no limits. */
  resources?: Resources;
  /** How the application's database is created. Used only once. Default: a database `app`, owned by `app`. */
  initdb?: InitDb;
  /**
   * Backups in an object store, and continuous archiving of the write-ahead log. Default: none, so lost data cannot be
   * recovered.
   */
  backup?: BackupSettings;
  /**
   * A backup that the new Cluster begins with. Used only once, when the Cluster is created. Default: none, so the Cluster
   * begins with an empty database.
   */
  recovery?: RecoverySettings;
  /**
   * Rules of pg_hba.conf. They come after the rules that accept only certificates for the Teleport users. Default: none.
   */
  pgHba?: string[];
  /** Lines of pg_ident.conf: the maps that rules of `pgHba` use with `map=`. Default: none. */
  pgIdent?: string[];
  /** Clients that may connect to the instances' pods. Becomes NetworkPolicies. Default: everybody. */
  networkPolicy?: NetworkPolicySettings;
  /**
   * CloudNativePG's own fields, with the names and forms of its API reference: `affinity`, `probes`, `backup`,
   * `postgresql.synchronous`, `managed.services` and so on. You can use any field of the installed release. A preview asks
   * the operator whether it accepts a new Cluster. The fields are merged into the Cluster's `spec` last. Objects are merged;
   * all other values, lists included, are replaced. Fields that would override a setting are refused: instances, images,
   * volumes, certificates, `postgresql.pg_hba`, the database and owner of `bootstrap.initdb`, and, if there are `users`,
   * `managed.roles`. Default: none, so CloudNativePG's own defaults apply.
   */
  spec?: Record<string, unknown>;
}

/** The settings, and the other inputs of a Cluster's spec. */
export interface ClusterSpecInputs extends ClusterSettings {
  secrets: { server: string; serverCa: string; replication: string; clientCaBundle: string };
  /** What follows from `backup`. */
  backups?: BackupPlan;
  /** What follows from `recovery`. */
  recoveries?: RecoveryPlan;
  /** Users that log in through Teleport. */
  users: readonly TeleportUser[];
  /** Where these users are declared. Default: `inline`, in this spec. */
  usersAs?: UsersAs;
}

export const DEFAULT_INSTANCES = 3;

/** The Cluster's `spec`. */
export function clusterSpec(inputs: ClusterSpecInputs): Record<string, unknown> {
  const { secrets, users, usersAs = "inline" } = inputs;
  const spec = {
    instances: inputs.instances ?? DEFAULT_INSTANCES,
    ...imageSpec(inputs),
    certificates: {
      serverTLSSecret: secrets.server,
      serverCASecret: secrets.serverCa,
      replicationTLSSecret: secrets.replication,
      clientCASecret: secrets.clientCaBundle,
    },
    ...(inputs.recoveries
      ? recoverySpec(inputs.recoveries, inputs.initdb)
      : { bootstrap: { initdb: initDbSpec(inputs.initdb) } }),
    ...(inputs.backups ? backupSpec(inputs.backups) : {}),
    ...storageSpec(inputs),
    resources: inputs.resources,
    postgresql: {
      parameters: inputs.parameters ?? {},
      shared_preload_libraries: inputs.sharedPreloadLibraries,
      pg_hba: pgHbaRules(users, inputs.pgHba),
      pg_ident: inputs.pgIdent,
    },
    managed: { roles: usersAs === "inline" ? managedRoles(users) : [] },
  };
  return mergeSpec(defined(spec), inputs.spec);
}

type JsonObject = Record<string, unknown>;

/**
 * Merges what the user wrote under `spec` into a Cluster's spec. Objects are merged key by key. Other values are
 * replaced.
 */
export function mergeSpec(base: JsonObject, override: JsonObject = {}): JsonObject {
  const merged = { ...base };
  for (const [key, value] of Object.entries(override)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? mergeSpec(below, value) : value;
  }
  return merged;
}

/** Removes undefined keys at any depth. */
function defined(object: JsonObject): JsonObject {
  const clean = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(clean) : isObject(value) ? defined(value) : value;
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, clean(value)]));
}
