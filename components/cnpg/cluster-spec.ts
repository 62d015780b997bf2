/** From settings to the `spec` of CNPG's Cluster. Pure. */
import type { UsersAs } from "./database-roles";
import { DatabasesSettings } from "./databases";
import { ImageSettings, imageSpec } from "./image";
import { InitDb, initDbSpec } from "./initdb";
import { Ldap } from "./ldap";
import { LifecycleSettings, lifecycleSpec } from "./lifecycle";
import { MetadataSettings, metadataSpec } from "./metadata";
import { NetworkPolicySettings } from "../kubernetes/network-policy";
import { ParameterSettings } from "./parameters";
import { pgHbaRules } from "./pg-hba";
import { Resources } from "./resources";
import { managedRoles, TeleportUser } from "./roles";
import { SchedulingSettings, schedulingSpec } from "./scheduling";
import { Services, servicesSpec } from "./services";
import { StorageSettings, storageSpec } from "./storage";
import { Synchronous } from "./synchronous";

export { databaseAndOwner, DEFAULT_DATABASE } from "./initdb";
export type { InitDb } from "./initdb";
export type { Resources } from "./resources";
export type { Storage } from "./storage";

/** The settings of a Cluster, and of what goes with it, that do not depend on other resources. */
export interface ClusterSettings
  extends
    ImageSettings,
    StorageSettings,
    ParameterSettings,
    SchedulingSettings,
    LifecycleSettings,
    MetadataSettings,
    DatabasesSettings {
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
  /** Whether a commit waits for standbys. Default: it does not. */
  synchronous?: Synchronous;
  /** Rules of pg_hba.conf, placed after the ones that let the Teleport users in by certificate only. */
  pgHba?: string[];
  /** Lines of pg_ident.conf: the maps that rules of `pgHba` name by `map=`. */
  pgIdent?: string[];
  /** Passwords that a directory checks. Default: PostgreSQL does. */
  ldap?: Ldap;
  /** Services besides CNPG's own, and those of its own that are not to be made. */
  services?: Services;
  /** Who may connect to the instances' pods. Becomes NetworkPolicies. Default: everybody. */
  networkPolicy?: NetworkPolicySettings;
  /**
   * Merged into the Cluster's `spec` last, for fields that have no setting here, e.g. `backup`. Objects are merged;
   * all other values, lists included, are replaced. Fields that would override a setting are refused: instances, images,
   * volumes, certificates, `postgresql.pg_hba`, the database and owner of `bootstrap.initdb`, and, if there are `users`,
   * `managed.roles`.
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
      ldap: inputs.ldap,
      synchronous: inputs.synchronous,
    },
    managed: { roles: usersAs === "inline" ? managedRoles(users) : [], services: servicesSpec(inputs.services) },
    ...schedulingSpec(inputs),
    ...lifecycleSpec(inputs),
    ...metadataSpec(inputs),
  };
  return merge(defined(spec), inputs.spec ?? {});
}

type JsonObject = Record<string, unknown>;

function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Objects merge, key by key; everything else of `override` replaces. */
function merge(base: JsonObject, override: JsonObject): JsonObject {
  const merged = { ...base };
  for (const [key, value] of Object.entries(override)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
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
