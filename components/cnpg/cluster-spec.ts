/** From settings to the `spec` of CNPG's Cluster. Pure. */
import { pgHbaRules } from "./pg-hba";
import { managedRoles, TeleportUser } from "./roles";

/** A PersistentVolumeClaim of each instance. */
export interface Storage {
  /** Kubernetes quantity, e.g. `10Gi`. It can grow later, where the storage class allows it; never shrink. */
  size: string;
  /** Default: the Kubernetes cluster's default StorageClass. */
  storageClass?: string;
}

/** CPU and memory of each instance, as Kubernetes quantities. */
export interface Resources {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

/** How the database is made, once, when the Cluster is created. Becomes `spec.bootstrap.initdb`. */
export interface InitDb {
  /** Name of the database. Default: `app`. */
  database?: string;
  /** Role that owns it. Default: the name of the database. */
  owner?: string;
  /** Name of a `kubernetes.io/basic-auth` Secret with the owner's user name and password. Default: CNPG makes one. */
  ownerSecret?: string;
  /** Locale for collation, e.g. `en_US.UTF-8`. Default: CNPG's, `C`. */
  localeCollate?: string;
  /** Locale for character classes. Default: CNPG's, `C`. */
  localeCType?: string;
  /** Default: CNPG's, `UTF8`. */
  encoding?: string;
  /** Page checksums. Default: true. */
  dataChecksums?: boolean;
}

/** The settings of a Cluster that do not depend on other resources. */
export interface ClusterSettings {
  /** PostgreSQL instances: one primary, the others standbys. Default: 3. */
  instances?: number;
  /** PostgreSQL image. Default: the operator's. */
  image?: string;
  /** Volume for data. */
  storage: Storage;
  /** Volume for the write-ahead log. Default: it shares the data's. */
  walStorage?: Storage;
  resources?: Resources;
  /** PostgreSQL settings (postgresql.conf), e.g. `max_connections: "200"`. */
  parameters?: Record<string, string>;
  initdb?: InitDb;
  /** Rules of pg_hba.conf, placed after the ones that let the Teleport users in by certificate only. */
  pgHba?: string[];
  /**
   * Merged into the Cluster's `spec` last, for what is not modelled here. Objects merge, everything else replaces.
   * What it breaks is yours.
   */
  spec?: Record<string, unknown>;
}

/** What else a Cluster's spec needs. */
export interface ClusterSpecInputs extends ClusterSettings {
  secrets: { server: string; serverCa: string; replication: string; clientCaBundle: string };
  /** Users that come through Teleport. */
  users: readonly TeleportUser[];
}

export const DEFAULT_INSTANCES = 3;
export const DEFAULT_DATABASE = "app";

/** Name of the database and of its owner, defaults filled in. */
export function databaseAndOwner({ database = DEFAULT_DATABASE, owner = database }: InitDb = {}): {
  database: string;
  owner: string;
} {
  return { database, owner };
}

/** The Cluster's `spec`. */
export function clusterSpec(inputs: ClusterSpecInputs): Record<string, unknown> {
  const { secrets, initdb = {} } = inputs;
  const { database, owner } = databaseAndOwner(initdb);
  const spec = {
    instances: inputs.instances ?? DEFAULT_INSTANCES,
    imageName: inputs.image,
    certificates: {
      serverTLSSecret: secrets.server,
      serverCASecret: secrets.serverCa,
      replicationTLSSecret: secrets.replication,
      clientCASecret: secrets.clientCaBundle,
    },
    bootstrap: {
      initdb: {
        database,
        owner,
        secret: initdb.ownerSecret === undefined ? undefined : { name: initdb.ownerSecret },
        localeCollate: initdb.localeCollate,
        localeCType: initdb.localeCType,
        encoding: initdb.encoding,
        dataChecksums: initdb.dataChecksums ?? true,
      },
    },
    storage: inputs.storage,
    walStorage: inputs.walStorage,
    resources: inputs.resources,
    postgresql: { parameters: inputs.parameters ?? {}, pg_hba: pgHbaRules(inputs.users, inputs.pgHba) },
    managed: { roles: managedRoles(inputs.users) },
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
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, isObject(value) ? defined(value) : value]));
}
