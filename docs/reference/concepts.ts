/** What the settings are grouped by: the one declaration of which type, and which setting of a database, belongs where. */
import type { Reference, Section, Setting } from "./settings";

/** A heading of the page, and what belongs below it. */
export interface Concept {
  title: string;
  /** Names of types. A part of a type that has no name follows the type. */
  types: readonly string[];
  /** Settings of a database that do not follow their type. A setting without a type follows the database. */
  settings?: readonly string[];
}

/** The type of the whole file, and that of a database. Their settings stand below the headings of concepts. */
const ENVIRONMENT = "EnvironmentSettings";
const DATABASE = "DatabaseSettings";

export const CONCEPTS: readonly Concept[] = [
  { title: "The environment", types: [ENVIRONMENT, "KubernetesSettings"] },
  {
    title: "Database",
    types: [DATABASE, "Resources", "InitDb", "AdditionalDatabase", "Schema", "Extension"],
    settings: ["kubernetes"],
  },
  {
    title: "Storage and images",
    types: ["Storage", "Tablespace", "ImageCatalog", "MajorUpgrade"],
    settings: ["image"],
  },
  {
    title: "PostgreSQL settings",
    types: [],
    settings: ["parameters", "sharedPreloadLibraries", "pgHba", "pgIdent"],
  },
  {
    title: "Certificates",
    types: ["TlsIssuerArgs", "VaultIssuerArgs", "VaultPkiRole", "CertificateKey"],
    settings: ["serverAltNames"],
  },
  { title: "Users and rights", types: ["TeleportUser", "AccessScope", "AutoUsers"], settings: ["usersAs"] },
  { title: "Poolers", types: ["PoolerSettings", "PoolerSecrets"] },
  {
    title: "Teleport",
    types: [
      "TeleportArgs",
      "TeleportCaSource",
      "ProxyCaSource",
      "VaultCaSource",
      "KubernetesCaSource",
      "PemCaSource",
      "DynamicLabel",
      "DatabaseAdminUser",
    ],
  },
  {
    title: "Vault",
    types: [
      "VaultSettings",
      "AppRoleLogin",
      "TokenLogin",
      "VaultDatabaseOfCluster",
      "CredentialsRole",
      "CredentialsConsumer",
      "KubernetesAuth",
      "VaultConnection",
    ],
  },
  { title: "Network", types: ["NetworkPolicySettings", "NetworkPeer", "NetworkDestination"] },
  {
    title: "Backups and recovery",
    types: [
      "BackupSettings",
      "ObjectStore",
      "S3Credentials",
      "AzureCredentials",
      "GoogleCredentials",
      "SecretKey",
      "WalStore",
      "DataStore",
      "RecoverySettings",
      "RecoveryTarget",
      "VolumeSnapshots",
      "VolumeSource",
    ],
  },
  { title: "Replica clusters", types: ["ReplicaSettings", "ReplicaSource", "ReplicaStreaming"] },
  { title: "Protection of data", types: [], settings: ["deletionProtection", "onDelete", "adopt"] },
  { title: "Applications", types: ["ApplicationSettings", "ApplicationDatabase"] },
];

/** What stands below the heading of a concept. */
export interface Group {
  title: string;
  /** Settings of the whole file or of a database, and what is said of all of them. */
  text: string;
  settings: Setting[];
  /** The types, each with its parts. */
  sections: Section[];
}

/**
 * Everything in the reference, by concept.
 *
 * @throws Error if a type is in no concept, if something is in two, or if a concept names what is not there
 */
export function grouped({ sections }: Reference, concepts: readonly Concept[] = CONCEPTS): Group[] {
  const environment = sections.find(({ name }) => name === ENVIRONMENT);
  const ofDatabases = sections.find(({ name }) => name === DATABASE)?.settings ?? [];
  const types = new Set(sections.map(({ type }) => type));
  const named = concepts.flatMap((concept) => concept.types);
  refuse([
    ...[...types].filter((type) => !named.includes(type)).map((type) => `no concept has the type ${type}`),
    ...misnamed(named, [...types]),
    ...misnamed(
      concepts.flatMap(({ settings = [] }) => settings),
      ofDatabases.map(({ name }) => name),
    ),
  ]);
  const byConcept = new Map(ofDatabases.map((setting) => [setting, conceptOf(setting, sections, concepts)]));
  return concepts.map((concept) => {
    const ofFile = concept.types.includes(ENVIRONMENT) ? environment : undefined;
    const settings = ofFile?.settings ?? ofDatabases.filter((setting) => byConcept.get(setting) === concept);
    return {
      title: concept.title,
      text: ofFile?.meaning ?? (settings.length > 0 ? "Settings at `databases.<name>`:" : ""),
      settings,
      sections: concept.types
        .filter((type) => type !== ENVIRONMENT && type !== DATABASE)
        .flatMap((type) => sections.filter((section) => section.type === type)),
    };
  });
}

/** The concept of a setting of a database: by its name, by its type, or that of the database. */
function conceptOf(setting: Setting, sections: readonly Section[], concepts: readonly Concept[]): Concept | undefined {
  const types = sections.filter(({ name }) => setting.sections.includes(name)).map(({ type }) => type);
  return (
    concepts.find(({ settings = [] }) => settings.includes(setting.name)) ??
    concepts.find((concept) => concept.types.some((type) => types.includes(type) && type !== DATABASE)) ??
    concepts.find((concept) => concept.types.includes(DATABASE))
  );
}

/** Where the settings of a type stand: below its own heading, or below that of its concept. */
export function headingOf(type: string): string {
  if (type !== ENVIRONMENT && type !== DATABASE) return type;
  return CONCEPTS.find(({ types }) => types.includes(type))?.title ?? type;
}

function misnamed(named: readonly string[], there: readonly string[]): string[] {
  return [
    ...named.filter((name) => !there.includes(name)).map((name) => `there is no ${name}`),
    ...named.filter((name, index) => named.indexOf(name) < index).map((name) => `two concepts have ${name}`),
  ];
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`docs/reference/concepts.ts: ${problems.join("; ")}`);
}
