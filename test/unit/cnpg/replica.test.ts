import { strict as assert } from "node:assert";
import { planBackup } from "../../../components/cnpg/backup";
import { cnpgFieldName, settingOfField } from "../../../components/cnpg/cluster-fields";
import { checkClusterSettings, ClusterSettings, clusterSpec } from "../../../components/cnpg/cluster";
import { planRecovery } from "../../../components/cnpg/recovery";
import { followedCluster, planReplica, readOnlyReason, ReplicaSettings } from "../../../components/cnpg/replica";
import { describeProblem } from "../../../components/problems";

const objectStore = { destinationPath: "s3://backups", s3Credentials: { inheritFromIAMRole: true } };
const elsewhere = { ...objectStore, destinationPath: "s3://backups-of-south" };
const secrets = { server: "s", serverCa: "c", replication: "r", clientCaBundle: "b" };
const own = { replication: "north-replication-tls", serverCa: "north-server-ca" };
const planOf = (replica: ReplicaSettings) => planReplica("north", replica, own);
const token = Buffer.from(
  JSON.stringify({
    latestCheckpointTimelineID: "1",
    redoWalFile: "000000010000000000000005",
    databaseSystemIdentifier: "7",
  }),
).toString("base64");
const streaming = { host: "south-rw.south.svc" };
const south = { archiveName: "south-1", objectStore: elsewhere };

/** The Cluster `north` of a topology. */
const topology = (more: Partial<ReplicaSettings> = {}): ReplicaSettings => ({
  primary: "south",
  clusters: { south },
  ...more,
});
const specOf = (replica: ReplicaSettings, more: Partial<ClusterSettings> = {}) =>
  clusterSpec({
    ...{ storage: { size: "1Gi" }, secrets, users: [] },
    ...more,
    plans: {
      replica: planOf(replica),
      ...(more.backup ? { backup: planBackup("north", more.backup) } : {}),
      ...(more.recovery ? { recovery: planRecovery("north", more.recovery) } : {}),
    },
  }) as Record<string, Record<string, unknown>>;
const problems = (replica: Partial<ReplicaSettings>, more: Partial<ClusterSettings> = {}) =>
  checkClusterSettings(
    "db",
    { storage: { size: "1Gi" }, backup: { objectStore }, replica: topology(replica), ...more },
    { cluster: "north" },
  ).map(describeProblem);

describe("a replica cluster", () => {
  it("starts from the archive of the primary cluster, and follows it", () => {
    const spec = specOf(topology(), { initdb: { database: "orders", owner: "shop", ownerSecret: "orders-owner" } });
    assert.deepEqual(spec.bootstrap, {
      recovery: { source: "south", database: "orders", owner: "shop", secret: { name: "orders-owner" } },
    });
    assert.deepEqual(spec.replica, { self: "north", primary: "south", source: "south" });
    assert.deepEqual(spec.externalClusters, [
      { name: "north", connectionParameters: { host: "north-rw" } },
      {
        name: "south",
        plugin: {
          name: "barman-cloud.cloudnative-pg.io",
          parameters: { barmanObjectName: "north-replica-south", serverName: "south-1" },
        },
      },
    ]);
    assert.deepEqual(
      planOf(topology()).objectStores.map(({ metadata, spec: store }) => [metadata.name, store]),
      [["north-replica-south", { configuration: elsewhere }]],
    );
  });

  it("starts by pg_basebackup if it only streams, with its own certificate unless another one is given", () => {
    const spec = specOf(topology({ clusters: { south: { streaming } } }));
    assert.deepEqual(spec.bootstrap, { pg_basebackup: { source: "south", database: "app", owner: "app" } });
    const [, source] = spec.externalClusters as unknown as Record<string, unknown>[];
    assert.deepEqual(source, {
      name: "south",
      connectionParameters: {
        ...{ host: "south-rw.south.svc", port: "5432", user: "streaming_replica" },
        ...{ dbname: "postgres", sslmode: "verify-full" },
      },
      sslCert: { name: "north-replication-tls", key: "tls.crt" },
      sslKey: { name: "north-replication-tls", key: "tls.key" },
      sslRootCert: { name: "north-server-ca", key: "ca.crt" },
    });
    const given = {
      ...streaming,
      port: 15432,
      certificate: "of-south",
      serverCa: { name: "ca-of-south", key: "ca.pem" },
    };
    const [, other] = specOf(topology({ clusters: { south: { streaming: given } } }))
      .externalClusters as unknown as Record<string, unknown>[];
    assert.deepEqual(other?.sslKey, { name: "of-south", key: "tls.key" });
    assert.deepEqual(other?.sslRootCert, { name: "ca-of-south", key: "ca.pem" });
    assert.equal((other?.connectionParameters as Record<string, string>).port, "15432");
  });

  it("uses the store of its own backups if the source has none, and both ways if both are given", () => {
    const both = { archiveName: "south-1", streaming };
    const spec = specOf(topology({ clusters: { south: both } }), { backup: { objectStore, archiveName: "north-1" } });
    const [, source] = spec.externalClusters as unknown as Record<string, { parameters: unknown }>[];
    assert.deepEqual(source?.plugin?.parameters, { barmanObjectName: "north", serverName: "south-1" });
    assert.ok(source.connectionParameters);
    assert.deepEqual(Object.keys(spec.bootstrap ?? {}), ["recovery"]);
    assert.deepEqual((spec.plugins as unknown as { parameters: unknown }[])[0]?.parameters, {
      barmanObjectName: "north",
      serverName: "north-1",
    });
  });

  it("can apply changes later, in the form that CloudNativePG stores", () => {
    assert.equal(specOf(topology({ minApplyDelay: "90m" })).replica?.minApplyDelay, "1h30m0s");
  });
});

describe("a primary cluster", () => {
  it("differs from a replica cluster only in the name of the primary, and in how it starts", () => {
    const { bootstrap, replica, ...rest } = specOf(topology({ primary: "north", promotionToken: token }));
    const { bootstrap: _copy, replica: _follows, ...others } = specOf(topology());
    assert.deepEqual(Object.keys(bootstrap ?? {}), ["initdb"]);
    assert.deepEqual(replica, { self: "north", primary: "north", source: "south", promotionToken: token });
    assert.deepEqual(rest, others);
  });

  it("can have another name in the topology, and a list with its own name", () => {
    const replica = topology({ self: "west", primary: "west", clusters: { west: { streaming }, south } });
    const plan = planOf(replica);
    assert.equal(plan.follows, undefined);
    assert.deepEqual(
      plan.externalClusters.map(({ name, connectionParameters }) => [name, connectionParameters]),
      [
        ["west", { host: "north-rw" }],
        ["south", undefined],
      ],
    );
  });

  it("follows the new primary cluster of three, whichever it is", () => {
    const clusters = { south, east: { streaming: { host: "east" } } };
    assert.equal(planOf(topology({ primary: "east", clusters })).source, "east");
    assert.equal(planOf(topology({ primary: "south", clusters })).source, "south");
  });

  it("can begin with a recovery", () => {
    const recovery = { archiveName: "old-1", objectStore: elsewhere };
    const spec = specOf(topology({ primary: "north" }), { recovery });
    assert.deepEqual(
      (spec.externalClusters as unknown as { name: string }[]).map(({ name }) => name),
      ["recovery-source", "north", "south"],
    );
    assert.equal((spec.bootstrap as { recovery: { source: string } }).recovery.source, "recovery-source");
  });
});

describe("the settings of a topology", () => {
  for (const [title, settings] of Object.entries({
    "an archive": {},
    "an archive in the store of the Cluster's own backups": { clusters: { south: { archiveName: "south-1" } } },
    streaming: { clusters: { south: { streaming } } },
    "an IPv6 address": { clusters: { south: { streaming: { host: "2001:db8::1" } } } },
    "a delay": { minApplyDelay: "8h" },
    "a token for the promotion": { primary: "north", promotionToken: token },
  })) {
    it(`accept ${title}`, () => assert.deepEqual(problems(settings), []));
  }

  const source = (given: object) => problems({ clusters: { south: given } });
  for (const [found, expected] of [
    [
      problems({ primary: "soth" }),
      /^db\.replica\.primary = "soth": is not a Cluster of the topology\. Write north or south,/,
    ],
    [problems({ self: "North!" }), /^db\.replica\.self = "North!": is not a valid name in a topology/],
    [
      problems({ clusters: { south, "a/b": { streaming } } }),
      /^db\.replica\.clusters\.a\/b = "a\/b": is not a valid name in a topology/,
    ],
    [
      problems({ primary: "north", clusters: {} }),
      /^db\.replica\.clusters: has no other Cluster than this one\. Add the other Cluster/,
    ],
    [source({}), /^db\.replica\.clusters\.south: does not say how this Cluster is followed\. Set archiveName/],
    [source({ streaming, objectStore }), /clusters\.south\.objectStore: needs archiveName/],
    [
      problems({ clusters: { south: { archiveName: "south-1" } } }, { backup: undefined }),
      /clusters\.south\.archiveName = "south-1": needs the store of the archive/,
    ],
    [
      source({ archiveName: "south-1", objectStore: { ...objectStore, destinationPath: "nowhere" } }),
      /clusters\.south\.objectStore\.destinationPath = "nowhere"/,
    ],
    [source({ archiveName: "a/b" }), /clusters\.south\.archiveName = "a\/b": is not a valid archive name/],
    [
      problems({ clusters: { south: { archiveName: "one" } } }, { backup: { objectStore, archiveName: "one" } }),
      /clusters\.south\.archiveName = "one": is also the archive that this Cluster writes to/,
    ],
    [
      source({ streaming: { host: "postgres://south:5432" } }),
      /clusters\.south\.streaming\.host = "postgres:\/\/south:5432": is not a valid host\. Write e\.g\. orders-rw/,
    ],
    [source({ streaming: { ...streaming, port: 0 } }), /streaming\.port = 0: is not a valid port/],
    [
      source({ streaming: { ...streaming, certificate: "A B" } }),
      /streaming\.certificate = "A B": is not a valid name/,
    ],
    [
      source({ streaming: { ...streaming, serverCa: { name: "A B", key: "ca.crt" } } }),
      /streaming\.serverCa\.name = "A B": is not a valid name/,
    ],
    [
      problems({ minApplyDelay: "8 hours" }),
      /minApplyDelay = "8 hours": is not a valid duration\. Write e\.g\. 30m or 8h/,
    ],
    [
      problems({ primary: "north", minApplyDelay: "8h", promotionToken: token }),
      /minApplyDelay = "8h": cannot be used with promotionToken/,
    ],
    [problems({ promotionToken: token }), /promotionToken: must not be set in a replica cluster.*Remove it/],
    [
      problems({ primary: "north", promotionToken: "bm90IGEgdG9rZW4=" }),
      /promotionToken = "bm90IGEgdG9rZW4=": is not a demotion token\. Copy it completely/,
    ],
    [
      problems({}, { recovery: { archiveName: "old-1" } }),
      /^db\.recovery: cannot be used in a replica cluster, which starts with the data of south\. Remove recovery/,
    ],
    [problems({}, { spec: { replica: { enabled: true } } }), /^db\.spec\.replica: would replace what replica writes/],
    [
      problems({}, { spec: { externalClusters: [] } }),
      /^db\.spec\.externalClusters: would replace what replica writes/,
    ],
    [problems({}, { spec: { bootstrap: {} } }), /^db\.spec\.bootstrap: would replace what replica writes/],
  ] as const) {
    it(`report ${expected.source}`, () => {
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", expected);
    });
  }

  it("are named in messages of the operator", () => {
    const named = (called: string) => settingOfField(cnpgFieldName(called));
    assert.equal(named("spec.replicaCluster.token"), "replica.promotionToken");
    assert.equal(named("spec.replicaCluster.minApplyDelay"), "replica.minApplyDelay");
    assert.equal(settingOfField("spec.replica", { replica: {} }), "spec.replica");
  });
});

describe("the Cluster that a Cluster follows", () => {
  const cluster = (replica?: object, annotations = {}) => ({
    metadata: { name: "north", annotations },
    spec: replica ? { replica } : {},
  });

  it("is the primary cluster of the topology, unless that is the Cluster itself", () => {
    assert.equal(followedCluster(cluster()), undefined);
    assert.equal(followedCluster(cluster({ primary: "south", source: "south" })), "south");
    assert.equal(followedCluster(cluster({ primary: "north", source: "south" })), undefined);
    assert.equal(followedCluster(cluster({ self: "west", primary: "north", source: "north" })), "north");
    assert.equal(followedCluster(cluster({ self: "west", primary: "west", source: "north" })), undefined);
  });

  it("is the source of a replica cluster without a topology", () => {
    assert.equal(followedCluster(cluster({ enabled: true, source: "legacy" })), "legacy");
    assert.equal(followedCluster(cluster({ enabled: false, source: "legacy" })), undefined);
  });

  it("is the reason why it accepts no writes", () => {
    assert.equal(readOnlyReason(cluster()), undefined);
    assert.equal(
      readOnlyReason(cluster({ primary: "south", source: "south" })),
      "is a replica cluster of south, which accepts no writes",
    );
    assert.match(
      readOnlyReason(cluster(undefined, { "cnpg.io/hibernation": "on" })) ?? "",
      /^is stopped: it is hibernated/,
    );
  });
});
