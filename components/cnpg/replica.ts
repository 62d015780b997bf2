/**
 * Replica clusters: the Clusters of a distributed topology. One of them is the primary cluster, and the others, its replica
 * clusters, follow it. https://cloudnative-pg.io/documentation/1.30/replica_cluster/ Pure.
 */
import { goDuration, parseDuration } from "../durations";
import type { KubernetesObject } from "../kubernetes/client";
import { checkObjectName } from "../kubernetes/names";
import { SettingProblem } from "../problems";
import { checkPort, isObject, wrong } from "../value-check";
import { mayBeSameArchive } from "./archive-place";
import { type BackupSettings, checkArchiveName } from "./backup";
import { databaseAndOwner, InitDb } from "./initdb";
import { checkClusterName, POSTGRES_PORT, serviceName } from "./names";
import {
  BARMAN_CLOUD,
  checkObjectStore,
  ObjectStore,
  objectStoreManifest,
  ObjectStoreManifest,
  SecretKey,
} from "./object-store";
import type { RecoverySettings } from "./recovery";
import { stopReason } from "./stopped";

/** How a replica cluster streams from another Cluster, as the user `streaming_replica` and with a client certificate. */
export interface ReplicaStreaming {
  /**
   * Host of the other Cluster's primary, e.g. `orders-rw.orders.svc`. The server certificate of that Cluster must have this
   * name.
   */
  host: string;
  /** Port. Default: 5432. */
  port?: number;
  /**
   * `kubernetes.io/tls` Secret with a client certificate for `streaming_replica`, in this Cluster's namespace. A CA in the
   * other Cluster's bundle of client CAs must have signed it. Default: this Cluster's own certificate, which the other
   * Cluster accepts if both have the same client CA.
   */
  certificate?: string;
  /**
   * CA with which the other Cluster's server certificate is verified, in this Cluster's namespace. Default: the CA of this
   * Cluster's own server certificate.
   */
  serverCa?: SecretKey;
}

/** Another Cluster of the topology, and how this Cluster follows it. Needs `archiveName`, `streaming` or both. */
export interface ReplicaSource {
  /**
   * Name of the other Cluster's archive, whose write-ahead log this Cluster restores. The output `backup` of that Cluster has
   * it. Default: none.
   */
  archiveName?: string;
  /** The object store with the archive. Default: that of `backup`. */
  objectStore?: ObjectStore;
  /** Streaming from the other Cluster. Default: none. */
  streaming?: ReplicaStreaming;
}

/**
 * The distributed topology that the Cluster belongs to: one primary cluster, and replica clusters that follow it. Declare it in
 * the settings of each Cluster. For a switchover, change only `primary`, and `promotionToken` for the new primary cluster.
 */
export interface ReplicaSettings {
  /** Name of the primary cluster in the topology. If it is this Cluster's own name, this Cluster accepts writes. */
  primary: string;
  /** This Cluster's own name in the topology. Default: the name of the Cluster. */
  self?: string;
  /**
   * The Clusters of the topology, by name. This Cluster's own entry is not used, so all Clusters can have the same list. A new
   * replica cluster starts from the primary cluster's archive, else by `pg_basebackup`.
   */
  clusters: Record<string, ReplicaSource>;
  /**
   * How long a replica cluster waits before it applies a change, in hours, minutes and seconds, e.g. `8h`. It protects against
   * mistakes, but the Cluster cannot be promoted with a `promotionToken`. Default: changes are applied at once.
   */
  minApplyDelay?: string;
  /**
   * The demotion token of the former primary cluster, from its output `replica`, for a switchover without loss. CloudNativePG
   * promotes this Cluster only when it has everything up to the token, and the former primary cluster can follow it. Default:
   * none, so the Cluster is promoted with the data that it has.
   */
  promotionToken?: string;
  /**
   * Name in Teleport under which people can read this Cluster while it is a replica cluster. Default: none, so it is not in
   * Teleport.
   */
  teleportName?: string;
}

/** What follows from the settings of a topology. */
export interface ReplicaPlan {
  settings: ReplicaSettings;
  /** This Cluster's name in the topology. */
  self: string;
  /** The Cluster that this one follows. Undefined if this is the primary cluster. */
  follows?: string;
  /** The Cluster in `spec.replica.source`: the one that is followed, or that would be. */
  source: string;
  /** The object stores with the other Clusters' archives, unless they are in the Cluster's own store. */
  objectStores: ObjectStoreManifest[];
  /** The topology in CloudNativePG's `spec.externalClusters`. */
  externalClusters: Record<string, unknown>[];
}

/** The names of the other Clusters. */
function othersOf({ clusters }: ReplicaSettings, self: string): string[] {
  return Object.keys(clusters)
    .filter((name) => name !== self)
    .sort();
}

/** The Cluster's own Secrets: its client certificate, and the CA of its server certificate. */
interface OwnSecrets {
  replication: string;
  serverCa: string;
}

/** @param own for streaming, unless the settings name other Secrets */
export function planReplica(cluster: string, settings: ReplicaSettings, own: OwnSecrets): ReplicaPlan {
  const { primary, self = cluster, clusters } = settings;
  const others = othersOf(settings, self);
  const storeOf = (name: string) => (clusters[name]?.objectStore ? `${cluster}-replica-${name}` : cluster);
  const follows = primary === self ? undefined : primary;
  return {
    settings,
    self,
    ...(follows === undefined ? {} : { follows }),
    source: follows ?? others[0] ?? "",
    objectStores: others.flatMap((name) => {
      const { archiveName, objectStore } = clusters[name] ?? {};
      return archiveName === undefined || !objectStore ? [] : [objectStoreManifest(storeOf(name), objectStore)];
    }),
    externalClusters: [
      // CloudNativePG requires an entry of the Cluster's own name. It never connects to it.
      { name: self, connectionParameters: { host: serviceName(cluster, "rw") } },
      ...others.map((name) => externalCluster(name, clusters[name] ?? {}, storeOf(name), own)),
    ],
  };
}

function externalCluster(name: string, { archiveName, streaming }: ReplicaSource, store: string, own: OwnSecrets) {
  return {
    name,
    ...(archiveName === undefined
      ? {}
      : { plugin: { name: BARMAN_CLOUD, parameters: { barmanObjectName: store, serverName: archiveName } } }),
    ...(streaming === undefined ? {} : streamingConnection(streaming, own)),
  };
}

function streamingConnection({ host, port = POSTGRES_PORT, certificate, serverCa }: ReplicaStreaming, own: OwnSecrets) {
  const client = certificate ?? own.replication;
  return {
    connectionParameters: {
      ...{ host, port: String(port), user: "streaming_replica", dbname: "postgres", sslmode: "verify-full" },
    },
    sslCert: { name: client, key: "tls.crt" },
    sslKey: { name: client, key: "tls.key" },
    sslRootCert: serverCa ?? { name: own.serverCa, key: "ca.crt" },
  };
}

/** The Cluster's fields for the topology. `bootstrap` is used only once, when a replica cluster is created. */
export function replicaSpec(plan: ReplicaPlan, initdb: InitDb = {}): Record<string, unknown> {
  const { settings, self, follows, source, externalClusters } = plan;
  const { primary, clusters, minApplyDelay, promotionToken } = settings;
  // CloudNativePG manages the owner's password from its Secret as soon as the Cluster is promoted.
  const application = {
    ...databaseAndOwner(initdb),
    ...(initdb.ownerSecret === undefined ? {} : { secret: { name: initdb.ownerSecret } }),
  };
  const method = clusters[source]?.archiveName === undefined ? "pg_basebackup" : "recovery";
  return {
    ...(follows === undefined ? {} : { bootstrap: { [method]: { source, ...application } } }),
    replica: {
      ...{ self, primary, source },
      // In the form that the operator's webhook stores.
      ...(minApplyDelay === undefined ? {} : { minApplyDelay: goDuration(minApplyDelay) ?? minApplyDelay }),
      ...(promotionToken === undefined ? {} : { promotionToken }),
    },
    externalClusters,
  };
}

/**
 * The Cluster that a Cluster follows in Kubernetes. Undefined if it accepts writes (`IsReplica`, CNPG 1.30). Also for
 * topologies that a user wrote under `spec`.
 */
export function followedCluster({ metadata, spec }: KubernetesObject): string | undefined {
  const replica = spec?.replica;
  if (!isObject(replica)) return undefined;
  const { enabled, self, primary, source } = replica as Record<string, string | boolean | undefined>;
  const follows = typeof enabled === "boolean" ? enabled : (self || metadata.name) !== primary;
  return follows ? String((typeof enabled === "boolean" ? source : primary) ?? source) : undefined;
}

/**
 * Why a Cluster accepts no writes, as the end of a sentence that begins with its name. Undefined if it accepts them, as far as
 * its declaration and its annotations say.
 */
export function readOnlyReason(cluster: KubernetesObject): string | undefined {
  const stopped = stopReason(cluster);
  if (stopped !== undefined) return `is stopped: ${stopped}`;
  const followed = followedCluster(cluster);
  return followed && `is a replica cluster of ${followed}, which accepts no writes`;
}

type At = (setting: string) => string;

/** Other settings that the checks depend on. */
export interface ReplicaContext {
  cluster?: string;
  backup?: BackupSettings;
  recovery?: RecoverySettings;
  spec?: Record<string, unknown>;
}

/** @param at the setting beside `replica`, e.g. `databases.orders.recovery` for `recovery` */
export function checkReplica(
  at: At,
  replica: ReplicaSettings,
  { cluster = "", backup, recovery, spec = {} }: ReplicaContext,
): SettingProblem[] {
  const own = (field: string) => at(`replica.${field}`);
  const { primary, self = cluster, clusters } = replica;
  const others = othersOf(replica, self);
  const isPrimary = primary === self;
  return [
    ...(replica.self === undefined ? [] : checkMemberName(own("self"), replica.self)),
    ...Object.keys(clusters).flatMap((name) => checkMemberName(own(`clusters.${name}`), name)),
    ...(others.length > 0
      ? []
      : wrong(
          own("clusters"),
          undefined,
          "has no other Cluster than this one",
          "Add the other Cluster of the topology, with archiveName or streaming.",
        )),
    ...(isPrimary || others.includes(primary)
      ? []
      : wrong(
          own("primary"),
          primary,
          "is not a Cluster of the topology",
          `Write ${[self, ...others].filter(Boolean).join(" or ")}, or add it to replica.clusters.`,
        )),
    ...others.flatMap((name) => checkSource(own(`clusters.${name}`), clusters[name] ?? {}, backup)),
    ...checkDelay(own("minApplyDelay"), replica),
    ...checkToken(own("promotionToken"), replica, isPrimary),
    ...(isPrimary || recovery === undefined
      ? []
      : wrong(
          at("recovery"),
          undefined,
          `cannot be used in a replica cluster, which starts with the data of ${primary}`,
          "Remove recovery.",
        )),
    ...(["replica", "externalClusters", "bootstrap"] as const)
      .filter((field) => spec[field] !== undefined)
      .flatMap((field) =>
        wrong(at(`spec.${field}`), undefined, "would replace what replica writes", `Remove replica or spec.${field}.`),
      ),
  ];
}

/** The name becomes a part of the names of objects and files. */
function checkMemberName(setting: string, name: string): SettingProblem[] {
  return checkClusterName(setting, name).map((found) => ({ ...found, problem: "is not a valid name in a topology" }));
}

function checkSource(setting: string, source: ReplicaSource, backup: BackupSettings | undefined): SettingProblem[] {
  const at = (field: string) => `${setting}.${field}`;
  const { archiveName, objectStore, streaming } = source;
  return [
    ...(archiveName !== undefined || streaming !== undefined
      ? []
      : wrong(
          setting,
          undefined,
          "does not say how this Cluster is followed",
          "Set archiveName to the name of its archive, or streaming.host, or both.",
        )),
    ...(objectStore !== undefined && archiveName === undefined
      ? wrong(at("objectStore"), undefined, "needs archiveName", "Set archiveName to the name of the archive in it.")
      : []),
    ...(archiveName !== undefined && objectStore === undefined && backup === undefined
      ? wrong(at("archiveName"), archiveName, "needs the store of the archive", "Set objectStore beside it, or backup.")
      : []),
    ...(objectStore ? checkObjectStore(at("objectStore"), objectStore) : []),
    ...checkArchiveName(at("archiveName"), archiveName),
    ...(backup && mayBeSameArchive({ objectStore: objectStore ?? backup.objectStore, archiveName }, backup)
      ? wrong(
          at("archiveName"),
          archiveName,
          "is also the archive that this Cluster writes to",
          "Write the name of the other Cluster's archive, from its output `backup`.",
        )
      : []),
    ...(streaming ? checkStreaming(at("streaming"), streaming) : []),
  ];
}

/** A host name or an IP address, without scheme and port. */
const HOST = /^([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$/;

function checkStreaming(setting: string, streaming: ReplicaStreaming): SettingProblem[] {
  const { host, port, certificate, serverCa } = streaming;
  return [
    ...(HOST.test(host)
      ? []
      : wrong(`${setting}.host`, host, "is not a valid host", "Write e.g. orders-rw.orders.svc, without a port.")),
    ...checkPort(`${setting}.port`, port),
    ...checkObjectName(`${setting}.certificate`, certificate, "Secret"),
    ...checkObjectName(`${setting}.serverCa.name`, serverCa?.name, "Secret"),
  ];
}

function checkDelay(setting: string, { minApplyDelay, promotionToken }: ReplicaSettings): SettingProblem[] {
  if (minApplyDelay === undefined) return [];
  if (parseDuration(minApplyDelay) === undefined) {
    return wrong(setting, minApplyDelay, "is not a valid duration", "Write e.g. 30m or 8h.");
  }
  return promotionToken === undefined
    ? []
    : wrong(
        setting,
        minApplyDelay,
        "cannot be used with promotionToken, because CloudNativePG would refuse the promotion",
        "Remove minApplyDelay for the switchover.",
      );
}

/** What a token must have (`PgControldataTokenContent.IsValid`, CNPG 1.30). */
const TOKEN_FIELDS = ["latestCheckpointTimelineID", "redoWalFile", "databaseSystemIdentifier"];

function checkToken(setting: string, { promotionToken }: ReplicaSettings, isPrimary: boolean): SettingProblem[] {
  if (promotionToken === undefined) return [];
  if (!isPrimary) {
    return wrong(
      setting,
      undefined,
      "must not be set in a replica cluster: a token is for one promotion",
      "Remove it. For the next promotion, use the new token of the Cluster that is demoted.",
    );
  }
  return isDemotionToken(promotionToken)
    ? []
    : wrong(
        setting,
        promotionToken,
        "is not a demotion token",
        "Copy it completely from the output `replica` of the former primary cluster.",
      );
}

function isDemotionToken(token: string): boolean {
  try {
    const content: unknown = JSON.parse(Buffer.from(token, "base64").toString("utf8"));
    return isObject(content) && TOKEN_FIELDS.every((field) => typeof content[field] === "string");
  } catch {
    return false;
  }
}
