/** From settings to the `spec` of CNPG's Cluster. Pure. */
import { isObject } from "../value-check";
import type { UsersAs } from "./database-roles";
import { DatabasesSettings } from "./databases";
import { ImageSettings, imageSpec } from "./image";
import { InitDb, initDbSpec } from "./initdb";
import type { MetadataSettings } from "./metadata";
import { NetworkPolicySettings } from "./network-policy";
import { ParameterSettings } from "./parameters";
import { pgHbaRules } from "./pg-hba";
import { Resources } from "./resources";
import { managedRoles, TeleportUser } from "./roles";
import { StorageSettings, storageSpec } from "./storage";

export { databaseAndOwner, DEFAULT_DATABASE } from "./initdb";
export type { InitDb } from "./initdb";
export type { Resources } from "./resources";
export type { Storage } from "./storage";

/** The settings of a Cluster, and of what goes with it, that do not depend on other resources. */
export interface ClusterSettings
  extends ImageSettings, StorageSettings, ParameterSettings, MetadataSettings, DatabasesSettings {
  /** PostgreSQL instances: one primary, the others standbys. Default: 3. */
  instances?: number;
  /**
   * Set it to true if something else scales the Cluster, e.g. an autoscaler or `kubectl scale`. `up` then creates the
   * Cluster with `instances`, and does not change the number afterwards. Default: false, `up` sets the number.
   */
  scaledByOthers?: boolean;
  /** CPU and memory of each instance. Default: no requests and no limits. */
  resources?: Resources;
  /** How the application's database is made, once. Default: a database `app`, owned by `app`. */
  initdb?: InitDb;
  /** Rules of pg_hba.conf, placed after the ones that let the Teleport users in by certificate only. */
  pgHba?: string[];
  /** Lines of pg_ident.conf: the maps that rules of `pgHba` name by `map=`. */
  pgIdent?: string[];
  /** Who may connect to the instances' pods. Becomes NetworkPolicies. Default: everybody. */
  networkPolicy?: NetworkPolicySettings;
  /**
   * CloudNativePG's own fields, with the names and forms of its API reference: `affinity`, `probes`, `backup`,
   * `postgresql.synchronous`, `managed.services` and so on. Any field of the installed release may stand here. A preview asks
   * the operator whether it accepts a new Cluster. The fields are merged into the Cluster's `spec` last. Objects are merged;
   * all other values, lists included, are replaced. Fields that would override a setting are refused: instances, images,
   * volumes, certificates, `postgresql.pg_hba`, the database and owner of `bootstrap.initdb`, and, if there are `users`,
   * `managed.roles`. Default: none, so CloudNativePG's own defaults apply.
   */
  spec?: Record<string, unknown>;
}

/** What else a Cluster's spec needs. */
export interface ClusterSpecInputs extends ClusterSettings {
  secrets: { server: string; serverCa: string; replication: string; clientCaBundle: string };
  /** Users that come through Teleport. */
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
    bootstrap: { initdb: initDbSpec(inputs.initdb) },
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

/** A Cluster's spec with what a user wrote under `spec`: objects merge, key by key; everything else replaces. */
export function mergeSpec(base: JsonObject, override: JsonObject = {}): JsonObject {
  const merged = { ...base };
  for (const [key, value] of Object.entries(override)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? mergeSpec(below, value) : value;
  }
  return merged;
}

/** Without the keys that are undefined, at any depth. */
function defined(object: JsonObject): JsonObject {
  const clean = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(clean) : isObject(value) ? defined(value) : value;
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, clean(value)]));
}
