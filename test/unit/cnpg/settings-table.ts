/**
 * Valid and invalid settings of a Cluster. The unit tests run the project's checks on them, and the lab's tests ask the real
 * API server with the operator's webhook. So no check is superfluous, and none is missing.
 */
import { ClusterSettings } from "../../../components/cnpg/cluster";

export const USERS = [
  { name: "teleport_user_read", access: "read" },
  { name: "teleport_user_write", access: "write" },
] as const;

type Settings = Partial<ClusterSettings>;

/** Combinations that the project's and the operator's checks accept. */
export const RIGHT: Record<string, Settings> = {
  "nothing but defaults": {},
  "an image with tag and digest": { image: `registry.example.com:5000/pg/postgresql:17.5-1@sha256:${"a".repeat(64)}` },
  "an image catalog": {
    imageCatalog: { kind: "ClusterImageCatalog", name: "postgresql", major: 17 },
    spec: { imagePullSecrets: [{ name: "registry" }, { name: "mirror.example" }] },
  },
  "an image, and no backup before a major upgrade": { image: "postgresql:17", majorUpgrade: { backupWithin: "none" } },
  volumes: {
    storage: { size: "1.5Gi", storageClass: "fast.ssd", resizeInUseVolumes: false },
    walStorage: { size: "2Gi", pvcTemplate: { accessModes: ["ReadWriteOnce"] } },
    tablespaces: [
      { name: "fast", size: "1Gi", storageClass: "fast", owner: "reports" },
      { name: "tmp_1", size: "500M", temporary: true },
    ],
    parameters: { max_wal_size: "1GB", min_wal_size: "100MB" },
  },
  scheduling: {
    spec: {
      affinity: {
        podAntiAffinityType: "required",
        topologyKey: "topology.kubernetes.io/zone",
        nodeSelector: { "kubernetes.io/os": "linux" },
        tolerations: [
          { key: "database", value: "yes", effect: "NoSchedule" },
          { operator: "Exists", effect: "NoExecute", tolerationSeconds: 60 },
        ],
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator: "In", values: ["ssd"] }] }],
          },
        },
      },
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: "topology.kubernetes.io/zone",
          whenUnsatisfiable: "DoNotSchedule",
          labelSelector: { matchLabels: { "cnpg.io/cluster": "orders" } },
          minDomains: 2,
        },
      ],
      priorityClassName: "system-cluster-critical",
    },
  },
  "updates and delays": {
    spec: {
      enablePDB: false,
      primaryUpdateStrategy: "supervised",
      primaryUpdateMethod: "switchover",
      startDelay: 600,
      stopDelay: 60,
      smartShutdownTimeout: 0,
      switchoverDelay: 60,
      failoverDelay: 5,
    },
  },
  probes: {
    spec: {
      probes: {
        startup: { type: "streaming", maximumLag: "16Mi", periodSeconds: 1, failureThreshold: 300 },
        readiness: { type: "query", successThreshold: 2 },
        liveness: { timeoutSeconds: 5, isolationCheck: { enabled: true, requestTimeout: 500, connectionTimeout: 500 } },
      },
    },
  },
  "synchronous replication": {
    instances: 3,
    spec: {
      postgresql: { synchronous: { method: "any", number: 1, dataDurability: "required", failoverQuorum: true } },
    },
  },
  "synchronous replication with preferred durability": {
    instances: 2,
    spec: {
      postgresql: {
        synchronous: { method: "first", number: 1, dataDurability: "preferred", maxStandbyNamesFromCluster: 1 },
      },
    },
  },
  "standbys outside of the Cluster": {
    instances: 2,
    spec: {
      postgresql: { synchronous: { method: "any", number: 2, failoverQuorum: true, standbyNamesPost: ["elsewhere"] } },
    },
  },
  services: {
    spec: {
      managed: {
        services: {
          disabledDefaultServices: ["ro", "r"],
          additional: [
            {
              selectorType: "rw",
              updateStrategy: "replace",
              serviceTemplate: {
                metadata: {
                  name: "orders-public",
                  annotations: { "service.example.com/Scheme": "internal" },
                  labels: { team: "shop" },
                },
                spec: {
                  type: "LoadBalancer",
                  loadBalancerSourceRanges: ["192.0.2.0/24", "2001:db8::/32"],
                  externalTrafficPolicy: "Local",
                },
              },
            },
            {
              selectorType: "r",
              serviceTemplate: { metadata: { name: "orders-node" }, spec: { type: "NodePort" } },
            },
          ],
        },
      },
    },
  },
  parameters: {
    parameters: {
      shared_buffers: "256MB",
      "pg_stat_statements.max": "1000",
      wal_level: "replica",
      hot_standby_feedback: "on",
      ssl_min_protocol_version: "TLSv1.2",
    },
    sharedPreloadLibraries: ["auto_explain", "$libdir/passwordcheck"],
    resources: { requests: { memory: "1Gi", cpu: "500m" }, limits: { memory: "1Gi", cpu: "1" } },
  },
  "rules and maps": {
    pgHba: [
      "hostssl replication partners 192.0.2.7/32 cert map=partners clientname=CN",
      "hostssl orders app 10.0.0.0/8 scram-sha-256",
      "hostssl all app 10.0.0.0 255.0.0.0 scram-sha-256",
      'hostssl "my db",other "App User" all ldap ldapserver=ldap.example.com ldaptls=1 ldapprefix="uid=" ldapsuffix=",dc=a"',
      "hostnossl all all all reject",
    ],
    pgIdent: ["partners standby.partner.example partners", '"partners" /^(.*)\\.example$ "partners"'],
  },
  directory: {
    spec: {
      postgresql: {
        ldap: {
          server: "ldap.example.com",
          scheme: "ldaps",
          port: 636,
          bindSearchAuth: {
            baseDN: "ou=people,dc=example,dc=com",
            bindDN: "cn=reader,dc=example,dc=com",
            bindPassword: { name: "ldap-reader", key: "password" },
            searchAttribute: "uid",
          },
        },
      },
    },
  },
  "directory by prefix": {
    spec: { postgresql: { ldap: { server: "192.0.2.1", tls: true, bindAsAuth: { prefix: "uid=", suffix: ",dc=a" } } } },
  },
  metadata: {
    spec: {
      inheritedMetadata: { labels: { team: "shop" }, annotations: { "example.com/Owner": "shop" } },
      serviceAccountTemplate: { metadata: { annotations: { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a" } } },
    },
    hibernation: false,
    fencedInstances: ["orders-1"],
  },
};

/** An invalid setting. */
export interface Wrong {
  /** The only setting that the project's check must name. If the check is left to the operator, the setting that it names. */
  setting: string;
  settings: Settings;
  /**
   * `refuses`: the API server also refuses it. `accepts`: it does not, and the database would not work as intended,
   * e.g. a pod never starts, a rule is never reached, or an unwanted login works.
   */
  server: "refuses" | "accepts";
  /** Whether a check of the project names it. */
  checked: boolean;
  /** What the dry run names, if that is not the setting. Empty if it names nothing. */
  told?: string;
}

const refused = (setting: string, settings: Settings, told?: string): Wrong => ({
  setting,
  settings,
  told,
  server: "refuses",
  checked: true,
});
const accepted = (setting: string, settings: Settings): Wrong => ({
  setting,
  settings,
  server: "accepts",
  checked: true,
});
/** A field of CloudNativePG that the operator refuses, so the project needs no check. */
const left = (setting: string, spec: Record<string, unknown>, settings: Settings = {}): Wrong => ({
  setting: `spec.${setting}`,
  settings: { ...settings, spec },
  server: "refuses",
  checked: false,
});
/** A field of CloudNativePG that the operator accepts. */
const taken = (setting: string, spec: Record<string, unknown>): Wrong => accepted(`spec.${setting}`, { spec });
const spread = {
  maxSkew: 1,
  topologyKey: "zone",
  whenUnsatisfiable: "ScheduleAnyway",
  labelSelector: { matchLabels: { a: "b" } },
};
const spreads = (constraint: object) => ({ topologySpreadConstraints: [{ ...spread, ...constraint }] });
const tolerations = (...all: object[]) => ({ affinity: { tolerations: all } });
const synchronous = (fields: object) => ({ postgresql: { synchronous: { method: "any", number: 1, ...fields } } });
const service = (name: string, { spec = {}, selectorType = "rw", ...metadata }: Record<string, unknown> = {}) => ({
  selectorType,
  serviceTemplate: { metadata: { name, ...metadata }, spec },
});
const services = (...additional: object[]) => ({ managed: { services: { additional } } });
const disabled = (...disabledDefaultServices: string[]) => ({ managed: { services: { disabledDefaultServices } } });
const LDAP = { server: "ldap.example.com", tls: true };
const ldap = (fields: object) => ({ postgresql: { ldap: { ...LDAP, bindAsAuth: {}, ...fields } } });
const search = (bindSearchAuth?: object) => ({ postgresql: { ldap: { ...LDAP, bindSearchAuth } } });
const rule = (...pgHba: string[]) => ({ pgHba });

export const WRONG: Wrong[] = [
  refused("instances", { instances: 0 }),
  refused("storage.size", { storage: { size: "10 GB" } }),
  accepted("storage.size", { storage: { size: "0" } }),
  accepted("walStorage.size", { walStorage: { size: "0Gi" } }),
  accepted("storage.size", { storage: { size: "10" } }),
  accepted("storage.storageClass", { storage: { size: "1Gi", storageClass: "Fast_SSD" } }),
  accepted("storage.pvcTemplate.storageClassName", {
    storage: { size: "1Gi", pvcTemplate: { storageClassName: "fast" } },
  }),
  accepted("storage.pvcTemplate.resources.requests.storage", {
    storage: { size: "1Gi", pvcTemplate: { resources: { requests: { storage: "2Gi" } } } },
  }),
  refused("tablespaces[0].size", { tablespaces: [{ name: "fast", size: "big" }] }),
  refused("tablespaces[0].name", { tablespaces: [{ name: "pg_fast", size: "1Gi" }] }, "tablespaces[0]"),
  refused("tablespaces[0].name", { tablespaces: [{ name: "1fast", size: "1Gi" }] }, "tablespaces[0]"),
  accepted("tablespaces[0].name", { tablespaces: [{ name: "Fast", size: "1Gi" }] }),
  accepted("tablespaces[0].name", { tablespaces: [{ name: "fast_", size: "1Gi" }] }),
  refused(
    "tablespaces[1].name",
    {
      tablespaces: [
        { name: "fast", size: "1Gi" },
        { name: "fast", size: "2Gi" },
      ],
    },
    "tablespaces[1]",
  ),
  refused(
    "tablespaces[1].name",
    {
      tablespaces: [
        { name: "a_b", size: "1Gi" },
        { name: "a$b", size: "1Gi" },
      ],
    },
    "tablespaces[1]",
  ),
  accepted("tablespaces[0].owner", { tablespaces: [{ name: "fast", size: "1Gi", owner: "streaming_replica" }] }),

  refused("resources.requests.cpu", { resources: { requests: { cpu: "half" } } }, ""),
  refused("resources.requests.cpu", { resources: { requests: { cpu: "2" }, limits: { cpu: "1500m" } } }),
  refused("resources.requests.memory", { resources: { requests: { memory: "1Gi" }, limits: { memory: "1G" } } }),
  refused(
    "parameters.shared_buffers",
    {
      parameters: { shared_buffers: "2GB" },
      resources: { requests: { memory: "1Gi" } },
    },
    "resources.requests",
  ),

  accepted("initdb.database", { initdb: { database: "template1", owner: "app" } }),
  accepted("initdb.owner", { initdb: { owner: "postgres" } }),

  refused("image", { image: "registry.example.com:5000/postgresql" }),
  refused("image", { image: `postgresql@sha256:${"a".repeat(64)}` }),
  refused("image", { image: "postgresql:latest" }),
  refused("image", { image: "postgresql:bookworm" }),
  accepted("image", { image: "postgresql:13.22" }),
  refused(
    "imageCatalog",
    {
      image: "postgresql:17",
      imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17 },
    },
    "spec",
  ),
  refused(
    "imageCatalog.apiGroup",
    {
      imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17, apiGroup: "example.com" },
    },
    "imageCatalog",
  ),
  accepted("imageCatalog.major", { imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 13 } }),
  refused("imageCatalog.major", { imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17.5 } }),
  accepted("majorUpgrade.backupWithin", { majorUpgrade: { backupWithin: "1 day" } }),
  accepted("majorUpgrade.backupWithin", { majorUpgrade: { backupWithin: "90m" } }),
  accepted("imageCatalog.name", { imageCatalog: { kind: "ImageCatalog", name: "Postgres QL", major: 17 } }),
  taken("imagePullSecrets[0].name", { imagePullSecrets: [{ name: "My Secret" }] }),
  taken("imagePullSecrets[1].name", { imagePullSecrets: [{ name: "registry" }, { name: "registry" }] }),

  left("affinity.podAntiAffinityType", { affinity: { podAntiAffinityType: "always" } }),
  taken("affinity.topologyKey", { affinity: { topologyKey: "zone of mine" } }),
  taken("affinity.nodeSelector.disk", { affinity: { nodeSelector: { disk: "very fast" } } }),
  left("affinity.tolerations[0].operator", tolerations({ value: "yes" })),
  left("affinity.tolerations[0].operator", tolerations({ key: "a", operator: "In" })),
  left("affinity.tolerations[0].operator", tolerations({ key: "a", operator: "Exists", value: "b" })),
  left("affinity.tolerations[0].operator", tolerations({ key: "a", value: "b c" })),
  left("affinity.tolerations[0].key", tolerations({ key: "a b", value: "c" })),
  left("affinity.tolerations[0].effect", tolerations({ key: "a", effect: "Never" })),
  left("affinity.tolerations[0].effect", tolerations({ key: "a", effect: "NoSchedule", tolerationSeconds: 5 })),
  taken("topologySpreadConstraints[0].maxSkew", spreads({ maxSkew: 0 })),
  taken("topologySpreadConstraints[0].topologyKey", spreads({ topologyKey: "" })),
  taken("topologySpreadConstraints[0].whenUnsatisfiable", spreads({ whenUnsatisfiable: "Never" })),
  taken("topologySpreadConstraints[0].labelSelector", spreads({ labelSelector: {} })),
  taken("topologySpreadConstraints[0].minDomains", spreads({ minDomains: 2 })),
  taken("priorityClassName", { priorityClassName: "Very High" }),

  left("primaryUpdateStrategy", { primaryUpdateStrategy: "never" }),
  left("primaryUpdateStrategy", { primaryUpdateStrategy: "supervised" }, { instances: 1 }),
  left("primaryUpdateMethod", { primaryUpdateMethod: "kill" }),
  taken("smartShutdownTimeout", { smartShutdownTimeout: 1_790 }),
  taken("stopDelay", { stopDelay: 100 }),
  taken("failoverDelay", { failoverDelay: -1 }),
  left("switchoverDelay", { switchoverDelay: 60.5 }),
  left("startDelay", { startDelay: "soon" }),
  taken("startDelay", { startDelay: 0 }),
  taken("probes.startup.periodSeconds", { probes: { startup: { periodSeconds: -1 } } }),
  taken("probes.liveness.successThreshold", { probes: { liveness: { successThreshold: 3 } } }),
  taken("probes.readiness.terminationGracePeriodSeconds", {
    probes: { readiness: { terminationGracePeriodSeconds: 5 } },
  }),
  left("probes.readiness.type", { probes: { readiness: { type: "ping" } } }),
  taken("probes.readiness.maximumLag", { probes: { readiness: { maximumLag: "16Mi" } } }),
  refused(
    "spec.probes.startup.maximumLag",
    { spec: { probes: { startup: { type: "streaming", maximumLag: "little" } } } },
    "",
  ),
  taken("probes.liveness.isolationCheck.requestTimeout", {
    probes: { liveness: { isolationCheck: { requestTimeout: 0 } } },
  }),

  left("postgresql.synchronous.method", synchronous({ method: "all" })),
  left("postgresql.synchronous.number", synchronous({ number: 0 })),
  left("postgresql.synchronous", synchronous({ number: 3 }), { instances: 3 }),
  left("postgresql.synchronous", synchronous({}), { instances: 1 }),
  left("postgresql.synchronous.dataDurability", synchronous({ dataDurability: "some" })),
  left("postgresql.synchronous", synchronous({ dataDurability: "preferred", standbyNamesPre: ["elsewhere"] })),
  left("postgresql.synchronous", synchronous({ failoverQuorum: true, standbyNamesPost: ["elsewhere"] })),
  taken("postgresql.synchronous.standbyNamesPost", synchronous({ standbyNamesPre: ["a"], standbyNamesPost: ["a"] })),
  taken("postgresql.synchronous.maxStandbyNamesFromCluster", synchronous({ maxStandbyNamesFromCluster: -1 })),

  left("managed.services.disabledDefaultServices", disabled("rw")),
  taken("managed.services.disabledDefaultServices[1]", disabled("r", "r")),
  left("managed.services.additional[0]", services(service("orders-ro"))),
  left("managed.services.additional[0]", services(service("orders-any"))),
  taken("managed.services.additional[0].serviceTemplate.metadata.name", services(service("My Service"))),
  left("managed.services.additional", services(service("extra"), service("extra", { selectorType: "r" }))),
  left("managed.services.additional[0].selectorType", services(service("extra", { selectorType: "any" }))),
  taken(
    "managed.services.additional[0].serviceTemplate.spec.type",
    services(service("extra", { spec: { type: "Public" } })),
  ),
  taken(
    "managed.services.additional[0].serviceTemplate.spec.loadBalancerSourceRanges[0]",
    services(service("extra", { spec: { type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0"] } })),
  ),
  taken(
    "managed.services.additional[0].serviceTemplate.spec.loadBalancerSourceRanges",
    services(service("extra", { spec: { loadBalancerSourceRanges: ["10.0.0.0/8"] } })),
  ),
  taken(
    "managed.services.additional[0].serviceTemplate.spec.loadBalancerClass",
    services(service("extra", { spec: { type: "NodePort", loadBalancerClass: "example.com/a" } })),
  ),
  taken(
    "managed.services.additional[0].serviceTemplate.spec.externalTrafficPolicy",
    services(service("extra", { spec: { externalTrafficPolicy: "Local" } })),
  ),
  taken(
    "managed.services.additional[0].serviceTemplate.metadata.labels.team",
    services(service("extra", { labels: { team: "the shop" } })),
  ),
  taken(
    "managed.services.additional[0].serviceTemplate.metadata.labels",
    services(service("extra", { labels: { "cnpg.io/cluster": "other" } })),
  ),

  refused("parameters", { parameters: { "max connections": "5" } }),
  refused("parameters.ssl", { parameters: { ssl: "off" } }),
  accepted("parameters.SSL", { parameters: { SSL: "off" } }),
  refused("parameters.listen_addresses", { parameters: { listen_addresses: "localhost" } }),
  refused("parameters.archive_command", { parameters: { archive_command: "true" } }),
  refused("parameters.hba_file", { parameters: { hba_file: "/tmp/hba" } }),
  refused("parameters.shared_preload_libraries", { parameters: { shared_preload_libraries: "auto_explain" } }),
  refused("parameters.synchronous_standby_names", { parameters: { synchronous_standby_names: "*" } }),
  refused("parameters.temp_tablespaces", { parameters: { temp_tablespaces: "tmp" } }),
  refused("parameters.logging_collector", { parameters: { logging_collector: "off" } }),
  refused("parameters.data_directory", { parameters: { data_directory: "/tmp" } }),
  refused("parameters.wal_level", { parameters: { wal_level: "most" } }),
  refused("parameters.wal_level", { parameters: { wal_level: "minimal", max_wal_senders: "0" } }),
  refused("parameters.wal_log_hints", { parameters: { wal_log_hints: "off" } }),
  refused("parameters.hot_standby_feedback", { parameters: { hot_standby_feedback: "maybe" } }),
  refused("parameters.shared_buffers", { parameters: { shared_buffers: "a lot" } }),
  refused("parameters.max_wal_size", { parameters: { max_wal_size: "1 Gi" } }),
  refused("parameters.min_wal_size", { parameters: { min_wal_size: "2GB" } }),
  refused("parameters.max_wal_size", { walStorage: { size: "1Gi" }, parameters: { max_wal_size: "1GB" } }),
  accepted("sharedPreloadLibraries[0]", { sharedPreloadLibraries: ["auto_explain, pgaudit"] }),
  accepted("sharedPreloadLibraries[1]", { sharedPreloadLibraries: ["auto_explain", "auto_explain"] }),

  accepted("pgHba[0]", rule("let everybody in")),
  accepted("pgHba[0]", rule("hostssl all app 10.0.0.0/8 scram-sha-256 # the shop")),
  accepted("pgHba[0]", rule("hostssl all app 10.0.0.0/8 scram-sha-256\nhost all all all trust")),
  accepted("pgHba[0]", rule("hostssl all app 10.0.0.0/8 scram-sha-256 \\")),
  accepted("pgHba[0]", rule('hostssl all "app 10.0.0.0/8 scram-sha-256')),
  accepted("pgHba[0]", rule("hostssl all app 10.0.0.0/8 magic")),
  accepted("pgHba[0]", rule("hostssl all app 10.0.0.0/8 trust")),
  accepted("pgHba[0]", rule("host all app 10.0.0.0/8 password")),
  accepted("pgHba[0]", rule("hostssl all all 10.0.0.0/8 md5")),
  accepted("pgHba[0]", rule("hostssl all all 10.0.0.0/8 cert")),
  accepted("pgHba[0]", rule("hostssl all app,postgres 10.0.0.0/8 cert")),
  accepted("pgHba[0]", rule("host all app 10.0.0.0/8 peer")),
  accepted("pgHba[0]", rule("local all all peer")),
  accepted("pgHba[0]", rule("hostssl all app,teleport_user_read 10.0.0.0/8 scram-sha-256")),
  accepted("pgHba[0]", rule("hostnossl all cnpg_pooler_pgbouncer all scram-sha-256")),
  accepted("pgHba[1]", rule("host all all 10.0.0.0/8 scram-sha-256", "hostssl orders app 10.1.0.0/16 cert")),
  accepted("pgHba[1]", rule("hostssl orders app all scram-sha-256", "hostssl orders app all reject")),
  accepted("pgHba[0]", rule("hostssl all app 10.0.0.0/8 cert map=nowhere")),
  accepted("pgIdent[0]", { pgIdent: ["two words"] }),
  accepted("pgIdent[0]", { pgIdent: ["m someone app\nlocal x postgres"] }),
  accepted("pgIdent[0]", { pgIdent: ["unused someone app"] }),
  accepted("pgIdent[0]", { pgIdent: ["local nobody postgres"] }),
  accepted("pgIdent[0]", { pgIdent: ["cnpg_streaming_replica someone streaming_replica"] }),
  accepted("pgIdent[1]", {
    ...rule("hostssl all app all cert map=m"),
    pgIdent: ["m someone app", "m someone postgres"],
  }),
  accepted("pgIdent[1]", { ...rule("hostssl all app all cert map=m"), pgIdent: ["m someone app", "m someone all"] }),

  left("postgresql.ldap", ldap({ server: "" })),
  taken("postgresql.ldap.server", ldap({ server: "ldap://ldap.example.com" })),
  left("postgresql.ldap.scheme", ldap({ scheme: "http" })),
  taken("postgresql.ldap.port", ldap({ port: 70_000 })),
  taken("postgresql.ldap.tls", ldap({ tls: false })),
  taken("postgresql.ldap.tls", ldap({ tls: undefined, scheme: "ldap" })),
  taken("postgresql.ldap.tls", ldap({ scheme: "ldaps" })),
  taken("postgresql.ldap", search()),
  left("postgresql.ldap", ldap({ bindSearchAuth: { baseDN: "dc=a" } })),
  taken("postgresql.ldap.bindSearchAuth.baseDN", search({ baseDN: "" })),
  taken("postgresql.ldap.bindSearchAuth.bindPassword", search({ baseDN: "a", bindDN: "b" })),
  taken(
    "postgresql.ldap.bindSearchAuth.bindPassword.name",
    search({ baseDN: "a", bindDN: "b", bindPassword: { name: "A B", key: "c" } }),
  ),
  taken(
    "postgresql.ldap.bindSearchAuth.bindPassword.key",
    search({ baseDN: "a", bindDN: "b", bindPassword: { name: "a", key: "b c" } }),
  ),
  taken(
    "postgresql.ldap.bindSearchAuth.searchFilter",
    search({ baseDN: "a", searchAttribute: "uid", searchFilter: "(uid=$username)" }),
  ),

  taken("inheritedMetadata.labels.team", { inheritedMetadata: { labels: { team: "the shop" } } }),
  taken("inheritedMetadata.labels", { inheritedMetadata: { labels: { "cnpg.io/podRole": "instance" } } }),
  taken("inheritedMetadata.annotations", { inheritedMetadata: { annotations: { "cnpg.io/hibernation": "on" } } }),
  taken("serviceAccountTemplate.metadata.annotations", {
    serviceAccountTemplate: { metadata: { annotations: { "a b": "c" } } },
  }),
  accepted("fencedInstances[0]", { fencedInstances: ["other-1"] }),
  accepted("fencedInstances[1]", { fencedInstances: ["orders-1", "*"] }),
  accepted("fencedInstances[1]", { fencedInstances: ["orders-1", "orders-1"] }),

  // CloudNativePG accepts these, but the program would wait for ever, or users could not log in.
  accepted("spec.instances", { spec: { instances: 2 } }),
  accepted("spec.imageName", { spec: { imageName: "registry.example.com/postgresql:17" } }),
  accepted("spec.storage", { spec: { storage: { size: "2Gi" } } }),
  accepted("spec.walStorage", { spec: { walStorage: { size: "2Gi" } } }),
  refused("spec.certificates.serverAltDNSNames", { spec: { certificates: { serverAltDNSNames: ["a.example.com"] } } }),
  accepted("spec.certificates.clientCASecret", { spec: { certificates: { clientCASecret: "mine" } } }),
  accepted("spec.certificates", { spec: { certificates: null } }),
  accepted("spec.postgresql.pg_hba", { spec: { postgresql: { pg_hba: ["host all all all scram-sha-256"] } } }),
  accepted("spec.postgresql", { spec: { postgresql: null } }),
  accepted("spec.managed.roles", { spec: { managed: { roles: [{ name: "mine" }] } } }),
  accepted("spec.managed", { spec: { managed: null } }),
  accepted("spec.bootstrap.initdb.database", { spec: { bootstrap: { initdb: { database: "other" } } } }),
  accepted("spec.bootstrap.initdb.owner", { spec: { bootstrap: { initdb: { owner: "other" } } } }),
  accepted("spec.bootstrap.initdb", { spec: { bootstrap: { initdb: null } } }),
  accepted("spec.postgresql.shared_preload_libraries", {
    sharedPreloadLibraries: ["auto_explain"],
    spec: { postgresql: { shared_preload_libraries: ["pgaudit"] } },
  }),
  refused("spec.imageCatalogRef", { spec: { imageCatalogRef: {} } }, "imageCatalog"),
  accepted("spec.tablespaces", { spec: { tablespaces: [] } }),
  accepted("spec.certificates.serverTLSSecret", { spec: { certificates: { serverTLSSecret: "mine" } } }),
  accepted("spec.certificates.serverCASecret", { spec: { certificates: { serverCASecret: "mine" } } }),
  accepted("spec.certificates.replicationTLSSecret", { spec: { certificates: { replicationTLSSecret: "mine" } } }),
  accepted("spec.bootstrap.initdb.secret", { spec: { bootstrap: { initdb: { secret: { name: "mine" } } } } }),
];
