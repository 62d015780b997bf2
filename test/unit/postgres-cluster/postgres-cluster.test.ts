import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { PostgresClusterArgs } from "../../../components";
import { Certificate, OpenSsl } from "../certificates/openssl";

interface Made {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const openssl = new OpenSsl();
const made: Made[] = [];
/** Options by type and name: mocks are not told of them. */
const options = new Map<string, pulumi.CustomResourceOptions>();
const noteOptions: pulumi.ResourceTransformation = ({ type, name, opts }) => {
  options.set(`${type} ${name}`, opts);
  return undefined;
};
const VAULT_ISSUER = {
  type: "vault",
  server: { mount: "pki_server", role: "server" },
  client: { mount: "pki_client", role: "client" },
} as const;
let ca: Certificate;
/** What Vault signs with, and the chain that it answers. */
let signedByVault: { certificate: Certificate; chain: string[] };

/** Certificates as the providers would make them, so that the checks of what an issuer returns pass. */
function certificateOf({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  const request = JSON.parse((inputs.certRequestPem as string | undefined) ?? "{}") as {
    commonName: string;
    dnsNames?: string[];
    ipAddresses?: string[];
  };
  switch (type) {
    case "tls:index/privateKey:PrivateKey":
      return { privateKeyPem: pulumi.secret("a private key") };
    case "tls:index/selfSignedCert:SelfSignedCert":
      return { certPem: ca.pem };
    case "tls:index/certRequest:CertRequest":
      return { certRequestPem: JSON.stringify({ ...inputs, commonName: inputs.subject.commonName }) };
    case "tls:index/locallySignedCert:LocallySignedCert": {
      const use = inputs.allowedUses.includes("server_auth") ? "serverAuth" : "clientAuth";
      const { dnsNames, ipAddresses } = request;
      return { certPem: openssl.leaf(request.commonName, ca, { use, dnsNames, ipAddresses, days: 90 }).pem };
    }
    case "vault:pkiSecret/secretBackendSign:SecretBackendSign": {
      const asked = JSON.parse(inputs.csr as string) as typeof request;
      const use = asked.dnsNames ? "serverAuth" : "clientAuth";
      const { dnsNames, ipAddresses } = asked;
      const { certificate, chain } = signedByVault;
      const { pem } = openssl.leaf(asked.commonName, certificate, { use, dnsNames, ipAddresses, days: 90 });
      return { certificate: pem.trim(), issuingCa: certificate.pem, caChains: chain };
    }
    case "pulumi-nodejs:dynamic/teleport:CertAuthority":
      return { certificates: [ca.pem], cluster: "lab" };
    default:
      return {};
  }
}

describe("PostgresCluster", () => {
  let PostgresCluster: typeof import("../../../components").PostgresCluster;

  before(async () => {
    ca = openssl.ca("CA", undefined, 400);
    pulumi.runtime.setConfig("kubernetes:enableSecretMutable", "true");
    await pulumi.runtime.setMocks(
      {
        newResource: (args) => {
          made.push({ type: args.type, name: args.name, inputs: args.inputs });
          return { id: `${args.name}-id`, state: { ...args.inputs, ...certificateOf(args) } };
        },
        call: () => ({}),
      },
      "cnpg-teleport",
      "dev",
      false,
      "acme",
    );
    ({ PostgresCluster } = await import("../../../components"));
  });
  beforeEach(() => made.splice(0));
  after(() => openssl.remove());

  const deploy = async (args: Partial<PostgresClusterArgs> = {}) => {
    const cluster = new PostgresCluster(
      "orders",
      {
        namespace: "db",
        storage: { size: "1Gi" },
        issuer: { type: "tls" },
        teleport: { proxy: "teleport.example.com:443", labels: { team: "shop" } },
        ...args,
      },
      { transformations: [noteOptions] },
    );
    const outputs = await new Promise<Awaited<pulumi.Unwrap<typeof cluster.outputs>>>((resolve) =>
      cluster.outputs.apply(resolve),
    );
    return { cluster, outputs, all: [...made] };
  };
  const ofType = (all: Made[], suffix: string) => all.filter(({ type }) => type.endsWith(suffix));
  const optionsOf = ({ type, name }: Pick<Made, "type" | "name">): pulumi.CustomResourceOptions =>
    options.get(`${type} ${name}`) ?? {};
  /** Kinds of the resources in the `dependsOn` of a resource. */
  const comesAfter = (of: Pick<Made, "type" | "name">) =>
    [optionsOf(of).dependsOn ?? []]
      .flat()
      .map((each) => (each as unknown as { __pulumiType: string }).__pulumiType.split(":").at(-1));
  /** Kind and name of all that a condition on its options holds for. */
  const those = (all: Made[], which: (of: pulumi.CustomResourceOptions) => boolean | undefined) =>
    all
      .filter((each) => which(optionsOf(each)))
      .map(({ type, name }) => `${type.split(":").at(-1)} ${name}`)
      .sort();
  const metadata = ({ inputs }: Made) =>
    inputs.metadata as { name: string; labels?: object; annotations?: Record<string, string> };

  it("gives each object in Kubernetes its owner and one field manager", async () => {
    const { all } = await deploy({
      namespace: undefined,
      schemas: ["app"],
      poolers: [{ type: "rw" }],
      networkPolicy: { applications: [], teleportAgents: [{ namespace: "teleport-agent" }] },
      teleport: { proxy: "teleport.example.com:443", registration: { by: "operator", namespace: "teleport" } },
    });
    const join = { method: "token", secret: "agent-token" } as const;
    const registration = { by: "agent", join, namespace: "agents" } as const;
    const teleport = { proxy: "teleport.example.com:443", registration };
    const { all: byAgent } = await deploy({ teleport, usersAs: "databaseRole" });
    const objects = [...all, ...byAgent].filter(({ type }) => type.startsWith("kubernetes:"));
    assert.deepEqual([...new Set(objects.map(({ type }) => type.split(":").at(-1)))].sort(), [
      ...["Cluster", "ConfigMap", "Database", "DatabaseRole", "Namespace", "NetworkPolicy", "Pooler", "Secret"],
      "TeleportDatabaseV3",
    ]);
    for (const { name, type, inputs } of objects) {
      const { annotations = {} } = (inputs as { metadata: { annotations?: Record<string, string> } }).metadata;
      assert.match(annotations["pulumi.com/owner"] ?? "", /^acme\/cnpg-teleport\/dev\/orders/, `${type} ${name}`);
      // The provider takes over from no other names what it created without server-side apply.
      assert.match(
        annotations["pulumi.com/patchFieldManager"] ?? "",
        /^pulumi-kubernetes-[0-9a-f]{16}$/,
        `${type} ${name}`,
      );
    }
  });

  it("makes Secrets that CNPG reloads on change, the poolers' certificate beforehand", async () => {
    const secrets = ofType((await deploy()).all, ":Secret");
    assert.deepEqual(secrets.map((secret) => metadata(secret).name).sort(), [
      "orders-client-ca-bundle",
      "orders-pooler",
      "orders-replication-tls",
      "orders-server-ca",
      "orders-server-tls",
    ]);
    for (const secret of secrets) assert.deepEqual(metadata(secret).labels, { "cnpg.io/reload": "" });
  });

  it("asks for addresses as addresses, and for none where there are none", async () => {
    const requestOf = (all: Made[]) => ofType(all, ":CertRequest").find(({ name }) => name === "orders-server")?.inputs;
    const before = requestOf((await deploy()).all);
    assert.ok(before);
    assert.equal(before.ipAddresses, undefined);
    made.splice(0);
    const { all } = await deploy({ serverAltNames: ["orders.example.com", "10.20.30.40", "2001:DB8::1"] });
    const { dnsNames, ipAddresses } = requestOf(all) as { dnsNames: string[]; ipAddresses: string[] };
    assert.equal(dnsNames.at(-1), "orders.example.com");
    assert.equal(dnsNames.length, 13);
    assert.deepEqual(ipAddresses, ["10.20.30.40", "2001:db8::1"]);
  });

  it("gives Vault names and addresses as parameters as well, for roles that take none from the request (CSR)", async () => {
    const root = openssl.ca("root", undefined, 400);
    signedByVault = { certificate: root, chain: [root.pem] };
    const { all } = await deploy({
      issuer: VAULT_ISSUER,
      serverAltNames: ["orders.example.com", "10.20.30.40"],
    });
    const { inputs } = ofType(all, ":SecretBackendSign").find(({ name }) => name === "orders-server") ?? {};
    assert.equal((inputs?.altNames as string[]).at(-1), "orders.example.com");
    assert.deepEqual(inputs?.ipSans, ["10.20.30.40"]);
  });

  it("makes the keys that are asked for, and the CAs' as before", async () => {
    const keysOf = async (args: Partial<PostgresClusterArgs>) =>
      Object.fromEntries(
        ofType((await deploy(args)).all, ":PrivateKey").map(({ name, inputs }) => [
          name,
          [inputs.algorithm, inputs.ecdsaCurve, inputs.rsaBits],
        ]),
      );
    const byDefault = await keysOf({});
    assert.deepEqual([...new Set(Object.values(byDefault).map(String))], ["ECDSA,P256,"]);
    made.splice(0);
    const rsa = await keysOf({ issuer: { type: "tls", key: { algorithm: "RSA", size: 3072 } } });
    assert.deepEqual(Object.keys(rsa), Object.keys(byDefault));
    for (const [name, key] of Object.entries(rsa))
      assert.deepEqual(key, /-ca$/.test(name) ? ["ECDSA", "P256", undefined] : ["RSA", undefined, 3072], name);
  });

  it("sends the CAs between the server's certificate and the root, from instances and poolers", async () => {
    const root = openssl.ca("root", undefined, 400);
    const intermediate = openssl.ca("intermediate", root, 300);
    signedByVault = { certificate: intermediate, chain: [intermediate.pem, root.pem] };
    const { all } = await deploy({
      issuer: VAULT_ISSUER,
      poolers: [{ type: "rw" }],
    });
    // A secret in a map makes the whole of it one, as the mocks see it.
    const dataOf = ({ inputs }: Made) => {
      const { stringData } = inputs as { stringData: Record<string, string> & { value?: Record<string, string> } };
      return typeof stringData.value === "object" ? stringData.value : stringData;
    };
    const secrets = ofType(all, ":Secret").map((secret) => [metadata(secret).name, dataOf(secret)] as const);
    const count = (name: string, key: string) =>
      Object.fromEntries(secrets)[name]?.[key]?.match(/BEGIN CERTIFICATE/g)?.length;
    assert.equal(count("orders-server-tls", "tls.crt"), 2);
    assert.equal(count("pooler-orders-rw-tls", "tls.crt"), 2);
    // Who verifies clients has their CA in the bundle.
    assert.equal(count("orders-replication-tls", "tls.crt"), 1);
    assert.equal(count("orders-pooler", "tls.crt"), 1);
    assert.ok(Object.fromEntries(secrets)["orders-client-ca-bundle"]?.["ca.crt"]?.includes(intermediate.pem.trim()));
    const text = Object.fromEntries(secrets)["orders-server-tls"]?.["tls.crt"] ?? "";
    assert.ok(text.endsWith(intermediate.pem), "the root is not sent");
    const [serving] = ofType(all, ":ClusterServing");
    assert.equal(serving?.inputs.serverCertificate, createHash("sha256").update(text).digest("hex"));
    const signings = ofType(all, ":SecretBackendSign");
    assert.ok(signings.length >= 4);
  });

  it("warns of CAs that it leaves out, and of a CA of Vault's by which nothing can be renewed", async () => {
    const expired = openssl.datedCa("expired", "20200101000000Z", "20210101000000Z");
    const ending = openssl.ca("ending", undefined, 100);
    signedByVault = { certificate: ending, chain: [ending.pem] };
    const warnings: string[] = [];
    const { warn } = pulumi.log;
    Object.assign(pulumi.log, { warn: async (message: string) => void warnings.push(message) });
    try {
      const pem = expired.pem + openssl.ca("another").pem;
      await deploy({
        issuer: VAULT_ISSUER,
        teleport: { proxy: "teleport.example.com:443", clientCas: [{ from: "teleport" }, { from: "pem", pem }] },
      });
    } finally {
      Object.assign(pulumi.log, { warn });
    }
    const told = warnings.join("\n");
    assert.match(told, /^1 CA that is not valid now is left out of .*"CN=expired" \(expired at 2021-/m);
    for (const use of ["server", "client"])
      assert.match(
        told,
        new RegExp(
          `^The CA of issuer\\.${use}, mount pki_${use}, ends at .* so none can be renewed: replace the CA`,
          "m",
        ),
      );
  });

  it("changes its Poolers with any certificate, so that PgBouncer loads it", async () => {
    const digests = async () => {
      made.splice(0);
      const { all } = await deploy({ poolers: [{ type: "rw" }, { type: "ro", authentication: "explicit" }] });
      return ofType(all, ":Pooler").map((pooler) => metadata(pooler).annotations?.["cnpg-teleport/certificates"]);
    };
    const [before, after] = [await digests(), await digests()]; // each time with certificates of their own
    assert.equal(before.length, 2);
    for (const digest of [...before, ...after]) assert.match(digest ?? "", /^[0-9a-f]{64}$/);
    assert.notDeepEqual(before, after);
  });

  it("leaves the number of instances to others where that is said, and writes it at first", async () => {
    const { all } = await deploy({
      instances: 2,
      scaledByOthers: true,
      poolers: [
        { type: "rw", instances: 3, scaledByOthers: true },
        { type: "ro", instances: 4 },
      ],
    });
    const objects = [...ofType(all, ":Cluster"), ...ofType(all, ":Pooler")];
    const ignoredOf = (object: Made) => optionsOf(object).ignoreChanges ?? [];
    const seen = objects.map((object) => [
      (object.inputs.spec as { instances: number }).instances,
      ignoredOf(object).includes("spec.instances"),
    ]);
    assert.deepEqual(seen.sort(), [
      [2, true],
      [3, true],
      [4, false],
    ]);
    for (const object of objects)
      assert.ok(
        ignoredOf(object).some((field) => field.includes("patchFieldManager")),
        object.name,
      );
  });

  it("has the CAs of a stack that knows of one only, whose names never change", async () => {
    const cas = (all: Made[]) => ofType(all, ":SelfSignedCert").map(({ name }) => name);
    const { all } = await deploy();
    assert.deepEqual(cas(all).sort(), ["orders-client-ca", "orders-server-ca"]);
    made.splice(0);
    const issuer = { type: "tls", client: ["second", "first"], server: ["first", "2027"] } as const;
    const replacing = await deploy({ issuer: { ...issuer, client: [...issuer.client], server: [...issuer.server] } });
    assert.deepEqual(cas(replacing.all).sort(), [
      "orders-client-ca",
      "orders-client-ca-second",
      "orders-server-ca",
      "orders-server-ca-2027",
    ]);
  });

  it("waits until all instances serve what was written", async () => {
    const { all } = await deploy({ instances: 2, description: "Orders", image: "postgresql:17.2" });
    const [serving] = ofType(all, "postgres:ClusterServing");
    const { instances, image, within, certificateUsers, serverCertificate } = serving?.inputs ?? {};
    assert.deepEqual([instances, image, within], [2, "postgresql:17.2", 900]);
    assert.deepEqual(certificateUsers, ["teleport_user_read", "teleport_user_write"]);
    assert.match(String(serverCertificate), /^[0-9a-f]{64}$/);
    const [cluster] = ofType(all, ":Cluster");
    assert.equal(metadata(cluster!).annotations?.["kubernetes.io/description"], "Orders");
  });

  it("registers primary and standby with their labels and hosts", async () => {
    const databases = ofType((await deploy()).all, "teleport:Database");
    const documents = databases.map(
      ({ inputs }) => inputs.document as { metadata: { name: string; labels: object }; spec: { uri: string } },
    );
    assert.deepEqual(
      documents.map(({ metadata: { name, labels }, spec: { uri } }) => ({ name, labels, uri })),
      [
        ["primary", "orders-dev", "rw"],
        ["standby", "orders-dev-ro", "ro"],
      ].map(([sql_type, name, endpoint]) => ({
        name,
        labels: {
          provisioned_by: "cloudnative-pg",
          environment: "dev",
          cluster: "orders",
          namespace: "db",
          team: "shop",
          primary: "orders-dev",
          sql_type,
        },
        uri: `orders-${endpoint}.db.svc:5432`,
      })),
    );
  });

  it("looks for the operator first; what it depends on may install it", async () => {
    const look = async (opts?: pulumi.ComponentResourceOptions) => {
      made.splice(0);
      new PostgresCluster("orders", { storage: { size: "1Gi" }, issuer: { type: "tls" } }, opts);
      for (;;) {
        const [first] = made.filter(({ type }) => !/^(cnpg-teleport|test):/.test(type));
        if (first) return first;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const { type, inputs } = await look();
    assert.deepEqual([type, inputs.awaited], ["pulumi-nodejs:dynamic/kubernetes:OperatorCheck", false]);
    assert.equal((inputs.cluster as { namespace: string }).namespace, "orders");
    const { settings } = JSON.parse(inputs.declared as string) as { settings: { instances: number } };
    assert.equal(settings.instances, 3, "the operator is asked about the Cluster");
    const chart = new pulumi.ComponentResource("test:Chart", "chart");
    assert.equal((await look({ dependsOn: chart })).inputs.awaited, true);
  });

  it("registers no standby while there is one instance", async () => {
    const { outputs, all } = await deploy({ instances: 1 });
    assert.equal(ofType(all, "teleport:Database").length, 1);
    assert.deepEqual(outputs.teleportDatabases, ["orders-dev"]);
  });

  it("does without Teleport: no registration, no users, no rules of ours", async () => {
    const { all, outputs } = await deploy({ teleport: undefined });
    assert.deepEqual(
      all
        .filter(({ type }) => type.includes("teleport:"))
        .map(({ type }) => type)
        .filter((type) => type.includes("dynamic")),
      [],
    );
    const spec = ofType(all, ":Cluster")[0]?.inputs.spec as {
      managed: { roles: unknown[] };
      postgresql: { pg_hba: string[] };
    };
    assert.deepEqual([spec.managed.roles, spec.postgresql.pg_hba], [[], []]);
    assert.deepEqual(outputs.connectCommands, []);
  });

  it("makes a namespace only where none is given", async () => {
    assert.equal(ofType((await deploy()).all, ":Namespace").length, 0);
    made.splice(0);
    const { all, outputs } = await deploy({ namespace: undefined });
    assert.equal(metadata(ofType(all, ":Namespace")[0]!).name, "orders");
    assert.equal(outputs.namespace, "orders");
  });

  /** Everything that may be deleted with a database. */
  const whole: Partial<PostgresClusterArgs> = {
    namespace: undefined,
    databases: [{ name: "dropped", reclaimPolicy: "delete" }, { name: "left" }],
    networkPolicy: { applications: [], teleportAgents: [{ namespace: "teleport" }] },
    poolers: [{ type: "rw" }],
    autoUsers: { roles: ["teleport_user_read"] },
  };

  it("makes DatabaseRoles with `usersAs: databaseRole`: before the Cluster, and applied before rights are granted", async () => {
    const { all } = await deploy({ usersAs: "databaseRole" });
    const [cluster] = ofType(all, ":Cluster");
    assert.deepEqual((cluster!.inputs.spec as { managed: { roles: unknown[] } }).managed.roles, []);
    const objects = ofType(all, ":DatabaseRole");
    const names = objects.map((each) => metadata(each).name).sort();
    assert.deepEqual(names, ["orders.teleport-user-read", "orders.teleport-user-write"]);
    for (const object of objects) {
      assert.match(
        metadata(object).annotations?.["pulumi.com/owner"] ?? "",
        /^acme\/cnpg-teleport\/dev\/orders-teleport/,
      );
      assert.ok(optionsOf(object).ignoreChanges?.some((field) => field.includes("patchFieldManager")));
      assert.ok(!comesAfter(object).includes("Cluster"));
    }
    assert.ok(comesAfter(cluster!).includes("DatabaseRole"));
    const [serving] = ofType(all, ":DatabaseRolesServing");
    assert.deepEqual(Object.keys(serving!.inputs.roles as object).sort(), names);
    for (const kind of ["ClusterServing", "DatabaseRole"]) assert.ok(comesAfter(serving!).includes(kind), kind);
    const [access] = ofType(all, ":Access");
    assert.equal(access!.inputs.usersAs, "databaseRole");
    assert.ok(comesAfter(access!).includes("DatabaseRolesServing"));
    assert.ok(comesAfter(ofType(all, ":ClusterIdentity")[0]!).includes("DatabaseRolesServing"));
  });

  it("makes no DatabaseRoles if the Cluster declares its users, as in older states", async () => {
    for (const usersAs of [undefined, "inline"] as const) {
      made.splice(0);
      const { all } = await deploy({ usersAs });
      assert.deepEqual(ofType(all, ":DatabaseRole").concat(ofType(all, ":DatabaseRolesServing")), []);
      assert.ok(!("usersAs" in ofType(all, ":Access")[0]!.inputs));
      const { managed } = ofType(all, ":Cluster")[0]!.inputs.spec as { managed: { roles: { name: string }[] } };
      assert.deepEqual(
        managed.roles.map(({ name }) => name),
        ["teleport_user_read", "teleport_user_write"],
      );
    }
  });

  it("has Pulumi protect what holds data, until that is turned off", async () => {
    const isProtected = async (args: Partial<PostgresClusterArgs>) => {
      made.splice(0);
      const { all } = await deploy({ ...whole, ...args });
      const annotation = metadata(ofType(all, ":Cluster")[0]!).annotations?.["cnpg-teleport/deletion-protection"];
      return [annotation, ...those(all, ({ protect }) => protect)];
    };
    const told = "orders: set deletionProtection: false, run pulumi up, then pulumi destroy";
    const all = ["true", "Cluster orders", "Database orders-dropped", `DeletionProtection ${told}`];
    assert.deepEqual(await isProtected({}), all);
    assert.deepEqual(await isProtected({ deletionProtection: false }), ["false"]);
  });

  it("has Pulumi delete no Namespace, and with `onDelete: retain` nothing that the Cluster lives on", async () => {
    const kept = async (args: Partial<PostgresClusterArgs>) => {
      made.splice(0);
      const { all } = await deploy({ ...whole, usersAs: "databaseRole", ...args });
      const access = ["Access", "AutoUsersAdmin"].flatMap((kind) => ofType(all, `:${kind}`));
      assert.equal(access.length, 2);
      const go = those(access, ({ deletedWith }) => deletedWith !== undefined);
      return { kept: those(all, ({ retainOnDelete }) => retainOnDelete), go };
    };
    const byDefault = await kept({});
    assert.deepEqual(byDefault.kept, ["Namespace orders"]);
    assert.deepEqual(byDefault.go, ["Access orders", "AutoUsersAdmin orders"], "users go with their Cluster");
    const retained = await kept({ onDelete: "retain" });
    assert.deepEqual(
      [...new Set(retained.kept.map((each) => each.split(" ")[0]))],
      ["Cluster", "Database", "DatabaseRole", "Namespace", "NetworkPolicy", "Secret"],
    );
    assert.equal(retained.kept.filter((each) => /^(Database|NetworkPolicy) /.test(each)).length, 4);
    for (const secret of ["client-ca-bundle", "pooler", "replication-tls", "server-ca", "server-tls"])
      assert.ok(retained.kept.includes(`Secret orders-${secret}`), secret);
    assert.deepEqual(retained.go, [], "their rights are taken in one that stays");
  });

  it("has the names of before as aliases where it was renamed in the configuration", async () => {
    await deploy({ formerNames: ["shop"] });
    const { aliases } = optionsOf({ type: "cnpg-teleport:postgres:PostgresCluster", name: "orders" });
    assert.deepEqual(aliases, [{ name: "shop" }]);
  });

  it("is deleted only after a look at the Kubernetes cluster, even if `up` made only parts of it", async () => {
    const { all } = await deploy({ ...whole, usersAs: "databaseRole" });
    const guards = ofType(all, ":KubernetesIdentity");
    const names = [
      "orders:database:dropped",
      "orders:database:left",
      "orders:pooler:pooler-orders-rw",
      "orders:secrets",
    ];
    assert.deepEqual(guards.map(({ name }) => name).sort(), names);
    const guarded = new Set(guards.flatMap(comesAfter));
    for (const kind of ["ClusterCertificates", "Database", "DatabaseRole", "NetworkPolicy", "Pooler"])
      assert.ok(guarded.has(kind), kind);
    const [identity] = ofType(all, ":ClusterIdentity");
    const first = new Set(comesAfter(identity!));
    for (const kind of ["Access", "AutoUsersAdmin", "ClusterServing", "Database", "DatabasesServing", "PoolerServing"])
      assert.ok(first.has(kind), `${kind} goes after the look at the Cluster`);
  });

  it("says in all that comes before the Cluster, and in that, whose it is: another stack is refused it", async () => {
    const ingress = { applications: [{ namespace: "shop" }], teleportAgents: [{ namespace: "teleport" }] };
    const { all } = await deploy({ namespace: undefined, networkPolicy: ingress });
    const objects = [":Namespace", ":Secret", ":NetworkPolicy", ":Cluster"].flatMap((kind) => {
      const found = ofType(all, kind);
      assert.ok(found.length > 0, kind);
      return found;
    });
    for (const object of objects)
      assert.equal(metadata(object).annotations?.["pulumi.com/owner"], "acme/cnpg-teleport/dev/orders", object.name);
  });

  it("has outputs that hold no secret", async () => {
    const { cluster, outputs } = await deploy();
    assert.equal(await pulumi.isSecret(cluster.outputs), false);
    assert.ok(
      outputs.connectCommands.includes(
        "tsh db connect --proxy=teleport.example.com:443 --db-user=teleport_user_read --db-name=app orders-dev-ro",
      ),
    );
  });

  it("gives a kubeconfig to all that reaches Kubernetes, as a secret, and says nothing of it where there is none", async () => {
    const everything: Partial<PostgresClusterArgs> = {
      ...whole,
      usersAs: "databaseRole",
      vaultDatabase: { roles: { report: {} } },
    };
    const reaching = (all: Made[]) =>
      all.filter(({ type }) => type.startsWith("pulumi-nodejs:dynamic/") && !type.includes("/teleport:"));
    const isMarked = (each: Made) => (optionsOf(each).additionalSecretOutputs ?? []).includes("kubeconfig");

    const without = reaching((await deploy(everything)).all);
    assert.deepEqual(
      without.filter((each) => "kubeconfig" in each.inputs || isMarked(each)),
      [],
    );
    made.splice(0);
    const kubernetes = { context: "eks", kubeconfig: pulumi.output("a kubeconfig") };
    const { cluster, outputs, all } = await deploy({ ...everything, kubernetes });
    const found = reaching(all);
    assert.deepEqual([...new Set(found.map(({ type }) => type.split(":").at(-1)))].sort(), [
      ...["Access", "AutoUsersAdmin", "ClusterIdentity", "ClusterServing", "DatabaseAdmin", "DatabaseLeases"],
      ...["DatabaseRolesServing", "DatabasesServing", "DeletionProtection", "KubernetesIdentity", "NamespaceRemoval"],
      ...["OperatorCheck", "PoolerServing", "UpdateCheck"],
    ]);
    assert.equal(found.length, without.length);
    for (const each of found) {
      const { kubeconfig, context } = each.inputs as { kubeconfig: Record<string, string>; context: string };
      // Pulumi's signature of a secret.
      assert.equal(kubeconfig["4dabf18193072939515e22adb298388d"], "1b47061264138c4ac30d75fd1eb44270", each.type);
      assert.deepEqual([kubeconfig.value, context, isMarked(each)], ["a kubeconfig", "eks", true], each.type);
      assert.ok(!each.name.includes("a kubeconfig"));
    }
    assert.equal(await pulumi.isSecret(cluster.outputs), false);
    assert.ok(!JSON.stringify(outputs).includes("a kubeconfig"));
  });

  it("refuses bad settings with all that is wrong, before anything is made", async () => {
    const bad = { storage: { size: "much" }, issuer: { type: "tls" }, instances: 0 } as const;
    assert.throws(
      () => new PostgresCluster("orders", bad),
      /2 settings are wrong:[\s\S]*instances = 0[\s\S]*storage\.size = "much"/,
    );
    assert.deepEqual(made, []);
  });
});
