/** Object stores for backups, as ObjectStore objects of CloudNativePG's barman-cloud plugin. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import { checkObjectName } from "../kubernetes/names";
import { SettingProblem } from "../problems";
import { checkWholeNumber, valueIfKnown, wrong } from "../value-check";

/** A key of a Secret in the Cluster's namespace. */
export interface SecretKey {
  /** Name of the Secret. */
  name: string;
  /** Key in the Secret. */
  key: string;
}

/** Credentials for S3 and compatible stores: either two keys, or the pod's role. */
export interface S3Credentials {
  /** Access key ID. Needs `secretAccessKey`. Default: none. */
  accessKeyId?: SecretKey;
  /** Secret access key. Needs `accessKeyId`. Default: none. */
  secretAccessKey?: SecretKey;
  /** Token of temporary credentials. Default: none. */
  sessionToken?: SecretKey;
  /** Region of the bucket. Default: that of the pod's environment. */
  region?: SecretKey;
  /**
   * Use the IAM role of the pod's ServiceAccount, so that there is no secret. Write the role's ARN under
   * `spec.serviceAccountTemplate.metadata.annotations`. Default: false.
   */
  inheritFromIAMRole?: boolean;
}

/** Credentials for Azure Blob Storage. Choose exactly one way to log in. */
export interface AzureCredentials {
  /** Connection string. Default: none. */
  connectionString?: SecretKey;
  /** Name of the storage account. Needs `storageKey` or `storageSasToken`. Default: none. */
  storageAccount?: SecretKey;
  /** Access key of the storage account. Default: none. */
  storageKey?: SecretKey;
  /** Shared access signature (SAS) token of the storage account. Default: none. */
  storageSasToken?: SecretKey;
  /** Use the pod's managed identity, so that there is no secret. Default: false. */
  inheritFromAzureAD?: boolean;
  /** Use Azure's default chain of credentials (`DefaultAzureCredential`). Default: false. */
  useDefaultAzureCredentials?: boolean;
}

/** Credentials for Google Cloud Storage. Choose exactly one way to log in. */
export interface GoogleCredentials {
  /** JSON file of a service account. Default: none. */
  applicationCredentials?: SecretKey;
  /**
   * Use GKE's workload identity, so that there is no secret. Write the service account under
   * `spec.serviceAccountTemplate.metadata.annotations`. Default: false.
   */
  gkeEnvironment?: boolean;
}

/** How the write-ahead log (WAL) is stored. */
export interface WalStore {
  /** Compression of WAL files. Default: none. */
  compression?: "bzip2" | "gzip" | "lz4" | "snappy" | "xz" | "zstd";
  /** Server-side encryption that is requested from the store. Default: the bucket's own. */
  encryption?: "AES256" | "aws:kms";
  /** Number of WAL files that are archived or restored at the same time. Default: 1. */
  maxParallel?: number;
  /** Further arguments of `barman-cloud-wal-archive`. Default: none. */
  archiveAdditionalCommandArgs?: string[];
  /** Further arguments of `barman-cloud-wal-restore`. Default: none. */
  restoreAdditionalCommandArgs?: string[];
}

/** How base backups are stored. */
export interface DataStore {
  /** Compression of base backups. Default: none. */
  compression?: "bzip2" | "gzip" | "lz4" | "snappy";
  /** Server-side encryption that is requested from the store. Default: the bucket's own. */
  encryption?: "AES256" | "aws:kms";
  /** Number of parallel uploads of a base backup. Default: 2. */
  jobs?: number;
  /** Start base backups with an immediate checkpoint, which is faster but loads the disk more. Default: false. */
  immediateCheckpoint?: boolean;
  /** Further arguments of `barman-cloud-backup`. Default: none. */
  additionalCommandArgs?: string[];
  /** Further arguments of `barman-cloud-restore`. Default: none. */
  restoreAdditionalCommandArgs?: string[];
}

/**
 * Where and how backups are stored. The fields have the names in the plugin's reference. Becomes the `configuration`
 * of an ObjectStore.
 */
export interface ObjectStore {
  /** `s3://<bucket>/<folder>`, `gs://<bucket>/<folder>`, or `https://<account>.blob.core.windows.net/<container>/<folder>`. */
  destinationPath: pulumi.Input<string>;
  /** URL of the store, with `https`. Default: that of the cloud provider. */
  endpointURL?: pulumi.Input<string>;
  /** CA certificate to verify the store with. Default: the CAs of the plugin's image. */
  endpointCA?: SecretKey;
  /** Credentials for `s3://`. Default: none. */
  s3Credentials?: S3Credentials;
  /** Credentials for Azure Blob Storage. Default: none. */
  azureCredentials?: AzureCredentials;
  /** Credentials for `gs://`. Default: none. */
  googleCredentials?: GoogleCredentials;
  /** How the write-ahead log is stored. Default: not compressed. */
  wal?: WalStore;
  /** How base backups are stored. Default: not compressed. */
  data?: DataStore;
  /** Tags of each object in the store. Default: none. */
  tags?: Record<string, string>;
  /** Tags of the timeline's history files. Default: none. */
  historyTags?: Record<string, string>;
  /**
   * Environment, resources and log level of the plugin's container in each instance's pod. Becomes
   * `instanceSidecarConfiguration`. Default: the plugin's own.
   */
  sidecar?: Record<string, unknown>;
}

/** An ObjectStore object, without its namespace. */
export interface ObjectStoreManifest {
  apiVersion: "barmancloud.cnpg.io/v1";
  kind: "ObjectStore";
  metadata: { name: string };
  spec: Record<string, unknown>;
}

/** Name of the Pulumi resource of an ObjectStore. It is in the states of users: never change it. */
export function objectStoreResource(database: string, store: string): string {
  return `${database}-store-${store}`;
}

/** The plugin's name in CloudNativePG. */
export const BARMAN_CLOUD = "barman-cloud.cloudnative-pg.io";

/** @param retention how long backups are kept, e.g. `30d` */
export function objectStoreManifest(
  name: string,
  { sidecar, ...configuration }: ObjectStore,
  retention?: string,
): ObjectStoreManifest {
  return {
    apiVersion: "barmancloud.cnpg.io/v1",
    kind: "ObjectStore",
    metadata: { name },
    spec: {
      configuration,
      ...(retention === undefined ? {} : { retentionPolicy: retention }),
      ...(sidecar === undefined ? {} : { instanceSidecarConfiguration: sidecar }),
    },
  };
}

/** The kinds of stores: how their paths begin, and their credentials. */
const STORES = [
  { begins: "s3://", credentials: "s3Credentials" },
  { begins: "gs://", credentials: "googleCredentials" },
  { begins: "https://", credentials: "azureCredentials" },
] as const;

export function checkObjectStore(setting: string, store: ObjectStore): SettingProblem[] {
  const at = (field: string) => `${setting}.${field}`;
  const { wal = {}, data = {} } = store;
  return [
    ...checkDestination(at, store),
    ...checkEndpoint(at("endpointURL"), valueIfKnown(store.endpointURL)),
    ...checkCredentials(at, store),
    ...secretKeys(store).flatMap(([field, { name }]) => checkObjectName(at(`${field}.name`), name, "Secret")),
    ...checkWholeNumber(at("wal.maxParallel"), wal.maxParallel, "files", 1),
    ...checkWholeNumber(at("data.jobs"), data.jobs, "uploads", 1),
  ];
}

type At = (field: string) => string;

function checkDestination(at: At, store: ObjectStore): SettingProblem[] {
  const path = valueIfKnown(store.destinationPath);
  if (path === undefined) return [];
  const kind = STORES.find(({ begins }) => path.startsWith(begins));
  if (!kind || !/^[^/\s]+(\/\S*)?$/.test(path.slice(kind.begins.length))) {
    return wrong(
      at("destinationPath"),
      path,
      "is not a valid address of a bucket",
      "Write s3://<bucket>/<folder>, gs://<bucket>/<folder>, or https://<account>.blob.core.windows.net/<container>/<folder>.",
    );
  }
  const given = STORES.filter(({ credentials }) => store[credentials] !== undefined);
  if (given.length !== 1 || given[0] === kind) return [];
  return wrong(
    at("destinationPath"),
    path,
    `does not fit ${given[0]?.credentials}`,
    `Use ${kind.credentials} instead, or correct the path.`,
  );
}

function checkEndpoint(setting: string, url: string | undefined): SettingProblem[] {
  if (url === undefined || /^https:\/\/[^/\s]+\/?\S*$/.test(url)) return [];
  return wrong(
    setting,
    url,
    url.startsWith("http:") ? "would send backups without encryption" : "is not a valid URL",
    "Write https://<host>. If the store has a CA of its own, set endpointCA.",
  );
}

function checkCredentials(at: At, store: ObjectStore): SettingProblem[] {
  const given = STORES.filter(({ credentials }) => store[credentials] !== undefined);
  if (given.length !== 1) {
    const [setting, problem] =
      given.length === 0
        ? [at("destinationPath"), "has no credentials"]
        : [at(given[1]?.credentials ?? ""), "is a second set of credentials"];
    return wrong(
      setting,
      undefined,
      problem,
      "Set exactly one of s3Credentials, googleCredentials and azureCredentials.",
    );
  }
  const { s3Credentials: s3, azureCredentials: azure, googleCredentials: google } = store;
  if (s3) {
    const keys = [s3.accessKeyId, s3.secretAccessKey].filter((key) => key !== undefined).length;
    const fits = s3.inheritFromIAMRole ? keys === 0 : keys === 2;
    return fits
      ? []
      : wrong(
          at("s3Credentials"),
          undefined,
          s3.inheritFromIAMRole ? "has keys and inheritFromIAMRole" : "does not have both keys",
          "Set accessKeyId and secretAccessKey, or inheritFromIAMRole: true alone.",
        );
  }
  if (google) {
    return [google.applicationCredentials !== undefined, google.gkeEnvironment === true].filter(Boolean).length === 1
      ? []
      : wrong(
          at("googleCredentials"),
          undefined,
          "must have exactly one way to log in",
          "Set applicationCredentials, or gkeEnvironment: true.",
        );
  }
  const account = azure?.storageAccount !== undefined;
  const ofAccount = [azure?.storageKey, azure?.storageSasToken].filter((key) => key !== undefined).length;
  const others = [
    azure?.connectionString !== undefined,
    azure?.inheritFromAzureAD === true,
    azure?.useDefaultAzureCredentials === true,
  ].filter(Boolean).length;
  if (account ? ofAccount === 1 && others === 0 : ofAccount === 0 && others === 1) return [];
  return wrong(
    at("azureCredentials"),
    undefined,
    "must have exactly one way to log in",
    "Set connectionString, inheritFromAzureAD: true, useDefaultAzureCredentials: true, or storageAccount with storageKey or storageSasToken.",
  );
}

/** All references to Secrets, with their fields. */
function secretKeys(store: ObjectStore): [field: string, key: SecretKey][] {
  const { endpointCA, s3Credentials = {}, azureCredentials = {}, googleCredentials = {} } = store;
  const within = (of: string, credentials: object) =>
    Object.entries(credentials).map(([field, value]): [string, unknown] => [`${of}.${field}`, value]);
  const all: [string, unknown][] = [
    ["endpointCA", endpointCA],
    ...within("s3Credentials", s3Credentials),
    ...within("azureCredentials", azureCredentials),
    ...within("googleCredentials", googleCredentials),
  ];
  return all.filter((entry): entry is [string, SecretKey] => typeof entry[1] === "object" && entry[1] !== null);
}

/** An entry of a Cluster's `plugins`. */
interface Plugin {
  name: string;
  enabled?: boolean;
  parameters?: { serverName?: string; barmanObjectName?: string };
}

/** The plugin as a Cluster's `spec` configures it. Undefined if the Cluster does not use it. */
export function barmanCloudOf({ plugins = [] }: Record<string, unknown>): Plugin | undefined {
  return (plugins as Plugin[]).find(({ name, enabled = true }) => name === BARMAN_CLOUD && enabled);
}
