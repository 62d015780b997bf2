/**
 * Settings of a Cluster, right and wrong ones. The unit tests ask our checks about them, and the lab tests the real
 * API server with the operator's webhook, so that no check is invented and none is forgotten.
 */
import { ClusterSettings } from "../../../components/cnpg/cluster-spec";

export const USERS = [
  { name: "teleport_user_read", access: "read" },
  { name: "teleport_user_write", access: "write" },
] as const;

type Settings = Partial<ClusterSettings>;

/** Combinations that ours and the operator's checks pass. */
export const RIGHT: Record<string, Settings> = {
  "nothing but defaults": {},
  "an image with tag and digest": { image: `registry.example.com:5000/pg/postgresql:17.5-1@sha256:${"a".repeat(64)}` },
  "an image catalog": {
    imageCatalog: { kind: "ClusterImageCatalog", name: "postgresql", major: 17 },
    imagePullSecrets: ["registry", "mirror.example"],
  },
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
  "updates and delays": {
    enablePDB: false,
    primaryUpdateStrategy: "supervised",
    primaryUpdateMethod: "switchover",
    startDelay: 600,
    stopDelay: 60,
    smartShutdownTimeout: 0,
    switchoverDelay: 60,
    failoverDelay: 5,
  },
  probes: {
    probes: {
      startup: { type: "streaming", maximumLag: "16Mi", periodSeconds: 1, failureThreshold: 300 },
      readiness: { type: "query", successThreshold: 2 },
      liveness: { timeoutSeconds: 5, isolationCheck: { enabled: true, requestTimeout: 500, connectionTimeout: 500 } },
    },
  },
  "synchronous replication": {
    instances: 3,
    synchronous: { method: "any", number: 1, dataDurability: "required", failoverQuorum: true },
  },
  "synchronous replication that gives way": {
    instances: 2,
    synchronous: { method: "first", number: 1, dataDurability: "preferred", maxStandbyNamesFromCluster: 1 },
  },
  "standbys outside of the Cluster": {
    instances: 2,
    synchronous: { method: "any", number: 2, failoverQuorum: true, standbyNamesPost: ["elsewhere"] },
  },
  services: {
    services: {
      disabledDefaultServices: ["ro", "r"],
      additional: [
        {
          name: "orders-public",
          selectorType: "rw",
          type: "LoadBalancer",
          loadBalancerSourceRanges: ["192.0.2.0/24", "2001:db8::/32"],
          externalTrafficPolicy: "Local",
          annotations: { "service.example.com/Scheme": "internal" },
          labels: { team: "shop" },
          updateStrategy: "replace",
        },
        { name: "orders-node", selectorType: "r", type: "NodePort" },
      ],
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
  "directory by prefix": { ldap: { server: "192.0.2.1", tls: true, bindAsAuth: { prefix: "uid=", suffix: ",dc=a" } } },
  "a list of spec that no setting has": { spec: { imagePullSecrets: [{ name: "mine" }] } },
  metadata: {
    inheritedMetadata: { labels: { team: "shop" }, annotations: { "example.com/Owner": "shop" } },
    serviceAccountTemplate: { annotations: { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a" } },
    hibernation: false,
    fencedInstances: ["orders-1"],
  },
};

/** A setting that is wrong. */
export interface Wrong {
  /** The setting that our check must name, and no other. */
  setting: string;
  settings: Settings;
  /**
   * `refuses`: the API server refuses it as well. `accepts`: it does not, and the database would not be what was
   * meant: a pod that never starts, a rule that is never reached, a way in that nobody wanted.
   */
  server: "refuses" | "accepts";
}

const refused = (setting: string, settings: Settings): Wrong => ({ setting, settings, server: "refuses" });
const accepted = (setting: string, settings: Settings): Wrong => ({ setting, settings, server: "accepts" });
/** For values that the types exclude, and a YAML file does not. */
const untyped = (settings: Record<string, unknown>) => settings as Settings;
const service = { name: "extra", selectorType: "rw" } as const;
const spread = {
  maxSkew: 1,
  topologyKey: "zone",
  whenUnsatisfiable: "ScheduleAnyway",
  labelSelector: { matchLabels: { a: "b" } },
} as const;
const ldap = { server: "ldap.example.com", tls: true, bindAsAuth: {} };
const search = { server: "ldap.example.com", tls: true };
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
  refused("tablespaces[0].name", { tablespaces: [{ name: "pg_fast", size: "1Gi" }] }),
  refused("tablespaces[0].name", { tablespaces: [{ name: "1fast", size: "1Gi" }] }),
  accepted("tablespaces[0].name", { tablespaces: [{ name: "Fast", size: "1Gi" }] }),
  accepted("tablespaces[0].name", { tablespaces: [{ name: "fast_", size: "1Gi" }] }),
  refused("tablespaces[1].name", {
    tablespaces: [
      { name: "fast", size: "1Gi" },
      { name: "fast", size: "2Gi" },
    ],
  }),
  refused("tablespaces[1].name", {
    tablespaces: [
      { name: "a_b", size: "1Gi" },
      { name: "a$b", size: "1Gi" },
    ],
  }),
  accepted("tablespaces[0].owner", { tablespaces: [{ name: "fast", size: "1Gi", owner: "streaming_replica" }] }),

  refused("resources.requests.cpu", { resources: { requests: { cpu: "half" } } }),
  refused("resources.requests.cpu", { resources: { requests: { cpu: "2" }, limits: { cpu: "1500m" } } }),
  refused("resources.requests.memory", { resources: { requests: { memory: "1Gi" }, limits: { memory: "1G" } } }),
  refused("parameters.shared_buffers", {
    parameters: { shared_buffers: "2GB" },
    resources: { requests: { memory: "1Gi" } },
  }),

  accepted("initdb.database", { initdb: { database: "template1", owner: "app" } }),
  accepted("initdb.owner", { initdb: { owner: "postgres" } }),

  refused("image", { image: "registry.example.com:5000/postgresql" }),
  refused("image", { image: `postgresql@sha256:${"a".repeat(64)}` }),
  refused("image", { image: "postgresql:latest" }),
  refused("image", { image: "postgresql:bookworm" }),
  accepted("image", { image: "postgresql:13.22" }),
  refused("imageCatalog", {
    image: "postgresql:17",
    imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17 },
  }),
  refused("imageCatalog.kind", untyped({ imageCatalog: { kind: "Catalog", name: "postgresql", major: 17 } })),
  refused("imageCatalog.apiGroup", {
    imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17, apiGroup: "example.com" },
  }),
  accepted("imageCatalog.major", { imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 13 } }),
  refused("imageCatalog.major", { imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17.5 } }),
  accepted("imageCatalog.name", { imageCatalog: { kind: "ImageCatalog", name: "Postgres QL", major: 17 } }),
  accepted("imagePullSecrets[0]", { imagePullSecrets: ["My Secret"] }),
  accepted("imagePullSecrets[1]", { imagePullSecrets: ["registry", "registry"] }),

  refused("affinity.podAntiAffinityType", untyped({ affinity: { podAntiAffinityType: "always" } })),
  accepted("affinity.topologyKey", { affinity: { topologyKey: "zone of mine" } }),
  accepted("affinity.nodeSelector.disk", { affinity: { nodeSelector: { disk: "very fast" } } }),
  refused("affinity.tolerations[0].operator", { affinity: { tolerations: [{ value: "yes" }] } }),
  refused("affinity.tolerations[0].operator", untyped({ affinity: { tolerations: [{ key: "a", operator: "In" }] } })),
  refused("affinity.tolerations[0].value", {
    affinity: { tolerations: [{ key: "a", operator: "Exists", value: "b" }] },
  }),
  refused("affinity.tolerations[0].value", { affinity: { tolerations: [{ key: "a", value: "b c" }] } }),
  refused("affinity.tolerations[0].key", { affinity: { tolerations: [{ key: "a b", value: "c" }] } }),
  refused("affinity.tolerations[0].effect", untyped({ affinity: { tolerations: [{ key: "a", effect: "Never" }] } })),
  refused("affinity.tolerations[0].effect", {
    affinity: { tolerations: [{ key: "a", effect: "NoSchedule", tolerationSeconds: 5 }] },
  }),
  accepted("topologySpreadConstraints[0].maxSkew", { topologySpreadConstraints: [{ ...spread, maxSkew: 0 }] }),
  accepted("topologySpreadConstraints[0].topologyKey", {
    topologySpreadConstraints: [{ ...spread, topologyKey: "" }],
  }),
  accepted(
    "topologySpreadConstraints[0].whenUnsatisfiable",
    untyped({ topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: "Never" }] }),
  ),
  accepted("topologySpreadConstraints[0].labelSelector", {
    topologySpreadConstraints: [{ ...spread, labelSelector: {} }],
  }),
  accepted("topologySpreadConstraints[0].minDomains", { topologySpreadConstraints: [{ ...spread, minDomains: 2 }] }),
  accepted("priorityClassName", { priorityClassName: "Very High" }),

  refused("primaryUpdateStrategy", untyped({ primaryUpdateStrategy: "never" })),
  refused("primaryUpdateStrategy", { instances: 1, primaryUpdateStrategy: "supervised" }),
  refused("primaryUpdateMethod", untyped({ primaryUpdateMethod: "kill" })),
  accepted("smartShutdownTimeout", { smartShutdownTimeout: 1_790 }),
  accepted("stopDelay", { stopDelay: 100 }),
  accepted("failoverDelay", { failoverDelay: -1 }),
  refused("switchoverDelay", { switchoverDelay: 0.5 }),
  accepted("startDelay", { startDelay: 0 }),
  accepted("probes.startup.periodSeconds", { probes: { startup: { periodSeconds: -1 } } }),
  accepted("probes.liveness.successThreshold", { probes: { liveness: { successThreshold: 3 } } }),
  accepted("probes.readiness.terminationGracePeriodSeconds", {
    probes: { readiness: { terminationGracePeriodSeconds: 5 } },
  }),
  refused("probes.readiness.type", untyped({ probes: { readiness: { type: "ping" } } })),
  accepted("probes.readiness.maximumLag", { probes: { readiness: { maximumLag: "16Mi" } } }),
  refused("probes.startup.maximumLag", { probes: { startup: { type: "streaming", maximumLag: "little" } } }),
  accepted("probes.liveness.isolationCheck.requestTimeout", {
    probes: { liveness: { isolationCheck: { requestTimeout: 0 } } },
  }),

  refused("synchronous.method", untyped({ synchronous: { method: "all", number: 1 } })),
  refused("synchronous.number", { synchronous: { method: "any", number: 0 } }),
  refused("synchronous.number", { instances: 3, synchronous: { method: "any", number: 3 } }),
  refused("synchronous.number", { instances: 1, synchronous: { method: "any", number: 1 } }),
  refused("synchronous.dataDurability", untyped({ synchronous: { method: "any", number: 1, dataDurability: "some" } })),
  refused("synchronous.dataDurability", {
    synchronous: { method: "any", number: 1, dataDurability: "preferred", standbyNamesPre: ["elsewhere"] },
  }),
  refused("synchronous.number", {
    synchronous: { method: "any", number: 1, failoverQuorum: true, standbyNamesPost: ["elsewhere"] },
  }),
  accepted("synchronous.standbyNamesPost", {
    synchronous: { method: "any", number: 1, standbyNamesPre: ["a"], standbyNamesPost: ["a"] },
  }),
  accepted("synchronous.maxStandbyNamesFromCluster", {
    synchronous: { method: "any", number: 1, maxStandbyNamesFromCluster: -1 },
  }),

  refused("services.disabledDefaultServices[0]", untyped({ services: { disabledDefaultServices: ["rw"] } })),
  accepted("services.disabledDefaultServices[1]", { services: { disabledDefaultServices: ["r", "r"] } }),
  refused("services.additional[0].name", { services: { additional: [{ ...service, name: "orders-ro" }] } }),
  refused("services.additional[0].name", { services: { additional: [{ ...service, name: "orders-any" }] } }),
  accepted("services.additional[0].name", { services: { additional: [{ ...service, name: "My Service" }] } }),
  refused("services.additional[1].name", { services: { additional: [service, { ...service, selectorType: "r" }] } }),
  refused(
    "services.additional[0].selectorType",
    untyped({ services: { additional: [{ name: "extra", selectorType: "any" }] } }),
  ),
  accepted("services.additional[0].type", untyped({ services: { additional: [{ ...service, type: "Public" }] } })),
  accepted("services.additional[0].loadBalancerSourceRanges[0]", {
    services: { additional: [{ ...service, type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0"] }] },
  }),
  accepted("services.additional[0].loadBalancerSourceRanges", {
    services: { additional: [{ ...service, loadBalancerSourceRanges: ["10.0.0.0/8"] }] },
  }),
  accepted("services.additional[0].loadBalancerClass", {
    services: { additional: [{ ...service, type: "NodePort", loadBalancerClass: "example.com/a" }] },
  }),
  accepted("services.additional[0].externalTrafficPolicy", {
    services: { additional: [{ ...service, externalTrafficPolicy: "Local" }] },
  }),
  accepted("services.additional[0].labels.team", {
    services: { additional: [{ ...service, labels: { team: "the shop" } }] },
  }),
  accepted("services.additional[0].labels", {
    services: { additional: [{ ...service, labels: { "cnpg.io/cluster": "other" } }] },
  }),

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

  refused("ldap.server", { ldap: { ...ldap, server: "" } }),
  accepted("ldap.server", { ldap: { ...ldap, server: "ldap://ldap.example.com" } }),
  refused("ldap.scheme", untyped({ ldap: { ...ldap, scheme: "http" } })),
  accepted("ldap.port", { ldap: { ...ldap, port: 70_000 } }),
  accepted("ldap.tls", { ldap: { ...ldap, tls: false } }),
  accepted("ldap.tls", { ldap: { ...ldap, scheme: "ldaps" } }),
  accepted("ldap", { ldap: search }),
  refused("ldap", { ldap: { ...ldap, bindSearchAuth: { baseDN: "dc=a" } } }),
  accepted("ldap.bindSearchAuth.baseDN", { ldap: { ...search, bindSearchAuth: { baseDN: "" } } }),
  accepted("ldap.bindSearchAuth.bindPassword", { ldap: { ...search, bindSearchAuth: { baseDN: "a", bindDN: "b" } } }),
  accepted("ldap.bindSearchAuth.bindPassword.name", {
    ldap: { ...search, bindSearchAuth: { baseDN: "a", bindDN: "b", bindPassword: { name: "A B", key: "c" } } },
  }),
  accepted("ldap.bindSearchAuth.bindPassword.key", {
    ldap: { ...search, bindSearchAuth: { baseDN: "a", bindDN: "b", bindPassword: { name: "a", key: "b c" } } },
  }),
  accepted("ldap.bindSearchAuth.searchFilter", {
    ldap: { ...search, bindSearchAuth: { baseDN: "a", searchAttribute: "uid", searchFilter: "(uid=$username)" } },
  }),

  accepted("inheritedMetadata.labels.team", { inheritedMetadata: { labels: { team: "the shop" } } }),
  accepted("inheritedMetadata.labels", { inheritedMetadata: { labels: { "cnpg.io/podRole": "instance" } } }),
  accepted("inheritedMetadata.annotations", { inheritedMetadata: { annotations: { "cnpg.io/hibernation": "on" } } }),
  accepted("serviceAccountTemplate.annotations", { serviceAccountTemplate: { annotations: { "a b": "c" } } }),
  accepted("fencedInstances[0]", { fencedInstances: ["other-1"] }),
  accepted("fencedInstances[1]", { fencedInstances: ["orders-1", "*"] }),
  accepted("fencedInstances[1]", { fencedInstances: ["orders-1", "orders-1"] }),

  // What CloudNativePG takes, and the program would wait for in vain, or people would be shut out by.
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
  refused("spec.imageCatalogRef", { spec: { imageCatalogRef: {} } }),
  accepted("spec.tablespaces", { spec: { tablespaces: [] } }),
  accepted("spec.certificates.serverTLSSecret", { spec: { certificates: { serverTLSSecret: "mine" } } }),
  accepted("spec.certificates.serverCASecret", { spec: { certificates: { serverCASecret: "mine" } } }),
  accepted("spec.certificates.replicationTLSSecret", { spec: { certificates: { replicationTLSSecret: "mine" } } }),
  accepted("spec.bootstrap.initdb.secret", { spec: { bootstrap: { initdb: { secret: { name: "mine" } } } } }),
  refused("spec.managed.services.disabledDefaultServices", {
    spec: { managed: { services: { disabledDefaultServices: ["rw"] } } },
  }),
  accepted("spec.imagePullSecrets", { imagePullSecrets: ["registry"], spec: { imagePullSecrets: [{ name: "mine" }] } }),
  accepted("spec.affinity.tolerations", {
    affinity: { tolerations: [{ operator: "Exists" }] },
    spec: { affinity: { tolerations: [] } },
  }),
];
