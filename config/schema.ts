/** The shape of an environment's configuration. Meanings and defaults are those of PostgresClusterArgs. */
import { z } from "zod";
import type { ApplicationSettings } from "./applications";
import type { PoolerSettings, PostgresClusterArgs, TeleportArgs, VaultDatabaseOfCluster } from "../components";
import { isHttpUrl } from "../components/http/url";

/** YAML makes numbers and booleans of `200` and `true`; where text is meant they are taken as they were written. */
const wholeAsText = (value: unknown) =>
  typeof value === "boolean" || Number.isSafeInteger(value) ? String(value) : value;
/** Fractions as well, where the value is an amount: elsewhere `1.10` may be a version, which YAML makes 1.1 of. */
const numberAsText = (value: unknown) =>
  typeof value === "number" && !Number.isInteger(value) ? String(value) : wholeAsText(value);

const key = z.string();
const text = z.preprocess(wholeAsText, z.string());
const filled = z.preprocess(wholeAsText, z.string().min(1));
const amount = z.preprocess(numberAsText, z.string());
const count = z.number();
const flag = z.boolean();
const texts = z.array(text);
const map = z.record(key, text);
const amounts = z.record(key, amount);
/** Kubernetes' own objects, as they are. */
const asIs = z.record(key, z.unknown());
const resources = z.strictObject({ requests: amounts.optional(), limits: amounts.optional() });
/** Vault's client and Pulumi's provider need the scheme. */
const url = z.string().refine(isHttpUrl, { error: "must be a URL that begins with https:// or http://" });

const storage = z.strictObject({
  size: text,
  storageClass: text.optional(),
  resizeInUseVolumes: flag.optional(),
  pvcTemplate: asIs.optional(),
});
const ensure = z.enum(["present", "absent"]).optional();
const schemas = z.array(z.union([text, z.strictObject({ name: text, owner: text.optional(), ensure })])).optional();
const extensions = z
  .array(z.union([text, z.strictObject({ name: text, version: text.optional(), schema: text.optional(), ensure })]))
  .optional();
const peer = {
  namespace: text.optional(),
  namespaceLabels: map.optional(),
  podLabels: map.optional(),
  cidr: text.optional(),
};
const peers = z.array(z.strictObject(peer));

const clusterSettings = {
  instances: count.optional(),
  scaledByOthers: flag.optional(),
  image: text.optional(),
  imageCatalog: z
    .strictObject({
      kind: z.enum(["ImageCatalog", "ClusterImageCatalog"]),
      name: text,
      major: count,
      apiGroup: text.optional(),
    })
    .optional(),
  storage,
  walStorage: storage.optional(),
  tablespaces: z.array(storage.extend({ name: text, owner: text.optional(), temporary: flag.optional() })).optional(),
  resources: resources.optional(),
  parameters: amounts.optional(),
  sharedPreloadLibraries: texts.optional(),
  initdb: z
    .strictObject({
      database: text.optional(),
      owner: text.optional(),
      ownerSecret: text.optional(),
      localeCollate: text.optional(),
      localeCType: text.optional(),
      encoding: text.optional(),
      dataChecksums: flag.optional(),
    })
    .optional(),
  pgHba: texts.optional(),
  pgIdent: texts.optional(),
  hibernation: flag.optional(),
  fencedInstances: texts.optional(),
  schemas,
  extensions,
  databases: z
    .array(
      z.strictObject({
        name: text,
        owner: text.optional(),
        schemas,
        extensions,
        encoding: text.optional(),
        locale: text.optional(),
        localeCollate: text.optional(),
        localeCType: text.optional(),
        localeProvider: z.enum(["libc", "icu", "builtin"]).optional(),
        icuLocale: text.optional(),
        icuRules: text.optional(),
        builtinLocale: text.optional(),
        template: text.optional(),
        connectionLimit: count.optional(),
        tablespace: text.optional(),
        reclaimPolicy: z.enum(["retain", "delete"]).optional(),
      }),
    )
    .optional(),
  networkPolicy: z
    .strictObject({
      applications: peers,
      teleportAgents: peers.optional(),
      monitoring: peers.optional(),
      operator: z.strictObject(peer).optional(),
      egress: z
        .strictObject({
          to: z.array(z.strictObject({ ...peer, ports: z.array(count).optional() })),
          apiServer: texts.optional(),
        })
        .optional(),
    })
    .optional(),
  spec: asIs.optional(),
};
const validity = { validity: text.optional(), renewBefore: text.optional() };
const pkiRole = z.strictObject({ mount: filled, role: filled, issuer: text.optional() });
const pkiRoles = z.union([pkiRole, z.array(pkiRole)]);

const issuerKey = z.strictObject({ algorithm: z.enum(["ECDSA", "RSA"]), size: count.optional() }).optional();

const issuer = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("tls"),
    server: texts.optional(),
    client: texts.optional(),
    caValidity: text.optional(),
    key: issuerKey,
    ...validity,
  }),
  z.strictObject({
    type: z.literal("vault"),
    server: pkiRoles,
    client: pkiRoles,
    trustAnchors: text.optional(),
    key: issuerKey,
    ...validity,
  }),
]);

const users = z.array(
  z.strictObject({
    name: text,
    access: z.enum(["read", "write", "none"]),
    scope: z.array(z.strictObject({ database: text.optional(), schemas: z.array(text).optional() })).optional(),
    memberOf: z.array(text).optional(),
    connectionLimit: count.optional(),
    readOnly: flag.optional(),
    statementTimeout: text.optional(),
    settings: amounts.optional(),
  }),
);

const caSource = z.discriminatedUnion("from", [
  z.strictObject({ from: z.literal("teleport") }),
  z.strictObject({ from: z.literal("proxy"), proxy: text.optional(), caFile: text.optional() }),
  z.strictObject({ from: z.literal("vault"), path: text, key: text.optional() }),
  z.strictObject({
    from: z.enum(["secret", "configMap"]),
    name: text,
    namespace: text.optional(),
    key: text.optional(),
  }),
  z.strictObject({ from: z.literal("pem"), pem: text }),
]);

const agentJoin = z.discriminatedUnion("method", [
  z.strictObject({ method: z.enum(["kubernetes", "iam", "gcp", "azure"]), tokenName: text }),
  z.strictObject({ method: z.literal("token"), secret: text }),
]);

const registration = z.discriminatedUnion("by", [
  z.strictObject({ by: z.literal("program") }),
  z.strictObject({ by: z.literal("agent"), join: agentJoin, namespace: text.optional() }),
  z.strictObject({ by: z.literal("operator"), namespace: text }),
]);

const teleport = z.strictObject({
  proxy: text,
  credentials: text.optional(),
  name: text.optional(),
  labels: map.optional(),
  adopt: flag.optional(),
  clientCas: z.array(caSource).optional(),
  registration: registration.optional(),
  dynamicLabels: z.record(key, z.strictObject({ command: texts, period: text })).optional(),
  adminUser: z.strictObject({ name: text, defaultDatabase: text.optional() }).optional(),
  trustSystemPool: flag.optional(),
  accessRoles: flag.optional(),
});

const pooler = z.strictObject({
  type: z.enum(["rw", "ro", "r"]),
  name: text.optional(),
  mode: z.enum(["session", "transaction"]).optional(),
  instances: count.optional(),
  scaledByOthers: flag.optional(),
  parameters: amounts.optional(),
  pgHba: z.array(text).optional(),
  resources: resources.optional(),
  template: asIs.optional(),
  serviceTemplate: asIs.optional(),
  secrets: z
    .strictObject({
      clientTls: text.optional(),
      clientCa: text.optional(),
      serverTls: text.optional(),
      serverCa: text.optional(),
    })
    .optional(),
  authentication: z.enum(["integrated", "explicit"]).optional(),
});

const autoUsers = z.strictObject({
  roles: texts,
  adminUser: text.optional(),
  defaultDatabase: text.optional(),
});

const vaultDatabase = z.strictObject({
  admin: text.optional(),
  group: text.optional(),
  schemas: texts.optional(),
  host: text.optional(),
  port: count.optional(),
  vault: z.strictObject({ address: url.optional(), namespace: text.optional() }).optional(),
  mount: z.strictObject({ path: text, exists: flag.optional() }).optional(),
  connection: text.optional(),
  roles: z.record(
    key,
    z.strictObject({
      memberOf: texts.optional(),
      defaultTtl: text.optional(),
      maxTtl: text.optional(),
      connectionLimit: count.optional(),
      consumer: z
        .strictObject({
          namespace: text,
          serviceAccount: text,
          audience: text.optional(),
          tokenTtl: text.optional(),
          tokenMaxTtl: text.optional(),
        })
        .optional(),
    }),
  ),
  kubernetesAuth: z
    .strictObject({
      path: text,
      make: z.strictObject({ host: text, caCert: text.optional() }).optional(),
    })
    .optional(),
  revokeWithin: count.optional(),
});

const rules = z.array(map);
/** How an application's pods join Teleport. */
const workloadJoin = z.discriminatedUnion("method", [
  z.strictObject({
    method: z.literal("kubernetes"),
    namespace: text,
    serviceAccount: text,
    jwks: text.optional(),
    oidcIssuer: text.optional(),
    teleportCluster: text.optional(),
  }),
  z.strictObject({ method: z.literal("token"), secret: text, key: text.optional() }),
  z.strictObject({
    method: z.literal("iam"),
    allow: z.array(z.strictObject({ account: text, arn: text.optional() })),
  }),
  z.strictObject({
    method: z.literal("gcp"),
    allow: z.array(z.strictObject({ projects: texts, locations: texts.optional(), serviceAccounts: texts.optional() })),
  }),
  z.strictObject({
    method: z.literal("azure"),
    allow: z.array(z.strictObject({ subscription: text, resourceGroups: texts.optional() })),
  }),
  z.strictObject({ method: z.literal("github"), allow: rules, enterpriseServerHost: text.optional() }),
  z.strictObject({ method: z.literal("gitlab"), allow: rules, domain: text.optional() }),
]);

/** One application. */
export const application = z.strictObject({
  name: text.optional(),
  join: workloadJoin,
  databases: z.record(
    key,
    z.strictObject({
      database: text,
      standby: flag.optional(),
      databaseName: text.optional(),
      user: text.optional(),
      roles: texts.optional(),
      port: count.optional(),
    }),
  ),
  credentials: text.optional(),
  certificateTtl: text.optional(),
  renewalInterval: text.optional(),
  endExpiredSessions: flag.optional(),
  adopt: flag.optional(),
});

export const kubernetes = z.strictObject({
  /** Context of the kubeconfig. Default: the current one. */
  context: text.optional(),
  /** Former names of this context. With them, a renamed context keeps its objects. Default: none. */
  formerContexts: texts.optional(),
});

/** One database. */
export const database = z.strictObject({
  ...clusterSettings,
  clusterName: text.optional(),
  formerNames: texts.optional(),
  deletionProtection: flag.optional(),
  onDelete: z.enum(["delete", "retain"]).optional(),
  namespace: text.optional(),
  createNamespace: flag.optional(),
  environment: text.optional(),
  description: text.optional(),
  clusterDomain: text.optional(),
  issuer,
  serverAltNames: z.array(text).optional(),
  teleport: z.union([teleport, z.array(teleport)]).optional(),
  users: users.optional(),
  usersAs: z.enum(["inline", "databaseRole"]).optional(),
  autoUsers: autoUsers.optional(),
  vaultDatabase: vaultDatabase.optional(),
  poolers: z.array(pooler).optional(),
  kubernetes: kubernetes.optional(),
  readyMinutes: count.optional(),
});

/** Path of Vault's login method AppRole. */
export const DEFAULT_APPROLE_MOUNT = "approle";

export const vault = z.strictObject({
  /** URL of Vault. Default: VAULT_ADDR. */
  address: url.optional(),
  /** Vault Enterprise: the namespace that everything is in, the login as well. Default: VAULT_NAMESPACE. */
  namespace: filled.optional(),
  /** How the program logs in. */
  auth: z.discriminatedUnion("method", [
    z.strictObject({
      /** `role_id` and `secret_id` come from VAULT_ROLE_ID and VAULT_SECRET_ID. */
      method: z.literal("approle"),
      /** Path of the login method; another one must be in VAULT_APPROLE_MOUNT as well. Default: `approle`. */
      mount: text.default(DEFAULT_APPROLE_MOUNT),
    }),
    z.strictObject({
      /** VAULT_TOKEN, or the file that `vault login` leaves. */
      method: z.literal("token"),
    }),
  ]),
});

/** A database as it is configured. */
export type DatabaseSettings = PostgresClusterArgs & {
  namespace?: string;
  /**
   * Whether to make the Namespace. It is deleted after the last database in it, unless it contains something else.
   * Default: true if `namespace` is not set, else false.
   */
  createNamespace?: boolean;
  kubernetes?: KubernetesSettings;
};

/** How a Kubernetes cluster is reached, and was before. */
export type KubernetesSettings = z.output<typeof kubernetes>;

/** Compiles only while the schema and the types name the same settings. */
type Same<One, Other> = [One, Other] extends [Other, One] ? true : never;
export const schemaIsComplete: Same<keyof z.output<typeof database>, keyof DatabaseSettings> = true;
export const schemaFits = (parsed: z.output<typeof database>): DatabaseSettings => parsed;
export const teleportFits = (parsed: z.output<typeof teleport>): TeleportArgs => parsed;
export const teleportIsComplete: Same<keyof z.output<typeof teleport>, keyof TeleportArgs> = true;
export const poolerIsComplete: Same<keyof z.output<typeof pooler>, keyof PoolerSettings> = true;
export const vaultDatabaseIsComplete: Same<keyof z.output<typeof vaultDatabase>, keyof VaultDatabaseOfCluster> = true;
export const applicationIsComplete: Same<keyof z.output<typeof application>, keyof ApplicationSettings> = true;
export const applicationFits = (parsed: z.output<typeof application>): ApplicationSettings => parsed;
