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
/** Options by type and name. Pulumi does not pass them to mocks. */
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
/** The CA with which Vault signs, and the chain that Vault returns. */
let signedByVault: { certificate: Certificate; chain: string[] };

/** Certificates like those of the real providers, so that they pass the checks of issued certificates. */
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
    case "pulumi-nodejs:dynamic/teleport:ReplicaRole":
      return { promotedAt: "20261130T123615Z" };
    case "pulumi-nodejs:dynamic/postgres:ReplicaStatus":
      return { systemId: "7412", demotionToken: inputs.follows === undefined ? "" : "a token" };
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
  /** Kind and name of the resources whose options match a condition. */
  const those = (all: Made[], which: (of: pulumi.CustomResourceOptions) => boolean | undefined) =>
    all
      .filter((each) => which(optionsOf(each)))
      .map(({ type, name }) => `${type.split(":").at(-1)} ${name}`)
      .sort();
  const metadata = ({ inputs }: Made) =>
    inputs.metadata as { name: string; labels?: object; annotations?: Record<string, string> };

  it("gives the check of the operator the names of all objects in the Cluster's namespace", async () => {
    const store = {
      destinationPath: "s3://backups/orders",
      s3Credentials: {
        accessKeyId: { name: "s3", key: "id" },
        secretAccessKey: { name: "s3", key: "key" },
      },
    };
    const { all } = await deploy({
      schemas: ["app"],
      poolers: [
        { type: "rw" },
        { type: "ro", authentication: "explicit" },
        { type: "r", name: "own", secrets: { clientTls: "own" } },
      ],
      networkPolicy: { applications: [], teleportAgents: [{ namespace: "teleport-agent" }] },
      usersAs: "databaseRole",
      backup: { objectStore: store },
    });
    const { cluster } = ofType(all, ":OperatorCheck")[0]!.inputs as { cluster: { objects: Record<string, string[]> } };
    const looked = Object.entries(cluster.objects).flatMap(([kind, names]) =>
      names.map((name) => `${kind.replace(/.*\//, "")}/${name}`),
    );
    const created = all
      .filter(({ type }) => type.startsWith("kubernetes:") && !type.endsWith(":Cluster"))
      .map((each) => `${each.type.replace(/.*:/, "").toLowerCase().replace(/y$/, "ie")}s/${metadata(each).name}`);
    assert.deepEqual(looked.sort(), created.sort());
    assert.equal(new Set(created.map((each) => each.replace(/\/.*/, ""))).size, 7, created.join());
  });

  it("sets the owner and one field manager on each object in Kubernetes", async () => {
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
      // The provider takes over objects that it created without server-side apply only from field managers of this form.
      assert.match(
        annotations["pulumi.com/patchFieldManager"] ?? "",
        /^pulumi-kubernetes-[0-9a-f]{16}$/,
        `${type} ${name}`,
      );
    }
  });

  it("creates Secrets that CNPG reloads on change, including the poolers' certificate", async () => {
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

  it("requests IP addresses as addresses, and none if there are none", async () => {
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

  it("passes names and addresses to Vault as parameters too, for roles that ignore those in the CSR", async () => {
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

  it("creates leaf keys of the algorithm in `issuer.key`, and keeps the algorithm of the CAs' keys", async () => {
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

  it("adds the intermediate CAs to the server certificates of instances and poolers", async () => {
    const root = openssl.ca("root", undefined, 400);
    const intermediate = openssl.ca("intermediate", root, 300);
    signedByVault = { certificate: intermediate, chain: [intermediate.pem, root.pem] };
    const { all } = await deploy({
      issuer: VAULT_ISSUER,
      poolers: [{ type: "rw" }],
    });
    // Mocks get the whole map as one secret if it contains a secret.
    const dataOf = ({ inputs }: Made) => {
      const { stringData } = inputs as { stringData: Record<string, string> & { value?: Record<string, string> } };
      return typeof stringData.value === "object" ? stringData.value : stringData;
    };
    const secrets = ofType(all, ":Secret").map((secret) => [metadata(secret).name, dataOf(secret)] as const);
    const count = (name: string, key: string) =>
      Object.fromEntries(secrets)[name]?.[key]?.match(/BEGIN CERTIFICATE/g)?.length;
    assert.equal(count("orders-server-tls", "tls.crt"), 2);
    assert.equal(count("pooler-orders-rw-tls", "tls.crt"), 2);
    // The bundle has the CA of client certificates.
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

  it("warns of CAs that it leaves out, and of a CA in Vault that expires too soon for renewals", async () => {
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

  it("changes its Poolers when any certificate changes, so that PgBouncer loads it", async () => {
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

  it("sets the number of instances only at creation with `scaledByOthers`", async () => {
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

  it("keeps the resource names of the first CAs when more CAs are declared", async () => {
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

  it("waits until all instances run with the declared settings", async () => {
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

  it("checks the operator first, after the resources in `dependsOn`, which may install it", async () => {
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

  it("registers no standby if there is only one instance", async () => {
    const { outputs, all } = await deploy({ instances: 1 });
    assert.equal(ofType(all, "teleport:Database").length, 1);
    assert.deepEqual(outputs.teleportDatabases, ["orders-dev"]);
  });

  it("registers nothing and has no users and no pg_hba.conf rules without Teleport", async () => {
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

  it("creates a namespace only if none is set", async () => {
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

  it("creates DatabaseRoles with `usersAs: databaseRole` before the Cluster, and waits for them before it grants rights", async () => {
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

  it("creates no DatabaseRoles if the Cluster declares its users, as in older states", async () => {
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

  it("protects resources that hold data in Pulumi, until `deletionProtection: false`", async () => {
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

  it("never deletes the Namespace by Pulumi, and with `onDelete: retain` nothing that the Cluster needs", async () => {
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
    assert.deepEqual(byDefault.go, ["Access orders", "AutoUsersAdmin orders"], "users are deleted with their Cluster");
    const retained = await kept({ onDelete: "retain" });
    assert.deepEqual(
      [...new Set(retained.kept.map((each) => each.split(" ")[0]))],
      ["Cluster", "Database", "DatabaseRole", "Namespace", "NetworkPolicy", "Secret"],
    );
    assert.equal(retained.kept.filter((each) => /^(Database|NetworkPolicy) /.test(each)).length, 4);
    for (const secret of ["client-ca-bundle", "pooler", "replication-tls", "server-ca", "server-tls"])
      assert.ok(retained.kept.includes(`Secret orders-${secret}`), secret);
    assert.deepEqual(retained.go, [], "rights are revoked in a Cluster that stays");
  });

  it("takes existing objects over before it creates anything, only with adopt: true", async () => {
    assert.deepEqual(ofType((await deploy(whole)).all, ":Adoption"), []);
    made.splice(0);
    pulumi.runtime.setConfig("kubernetes:upsertExistingObjects", "true");
    const objectStore = { destinationPath: "s3://backups", s3Credentials: { inheritFromIAMRole: true } };
    const { all } = await deploy({
      ...whole,
      namespace: "orders",
      usersAs: "databaseRole",
      adopt: true,
      backup: { objectStore },
    });
    pulumi.runtime.setConfig("kubernetes:upsertExistingObjects", "false");
    const [adoption, ...others] = ofType(all, ":Adoption");
    assert.deepEqual(others, []);
    const objects = all.filter(({ type }) => type.startsWith("kubernetes:"));
    const written = objects.map((each) => {
      const { annotations = {}, name } = metadata(each);
      const manager = annotations["pulumi.com/patchFieldManager"];
      return [each.type.split(":").at(-1), name, annotations["pulumi.com/owner"], manager];
    });
    const { inputs } = adoption!;
    const place = { destinationPath: "s3://backups", hasEnvironment: false };
    assert.deepEqual(ofType(all, ":ArchiveName")[0]?.inputs.place, place);
    const listed = (inputs.objects as Record<string, string>[]).map(({ kind, name, owner, manager }) => [
      ...[kind, name, owner, manager],
    ]);
    assert.deepEqual([...listed, ["Cluster", inputs.cluster, inputs.owner, inputs.manager]].sort(), written.sort());
    for (const each of objects.filter(({ type }) => /:(Secret|NetworkPolicy|ObjectStore|DatabaseRole)$/.test(type))) {
      const isSecret = each.type.endsWith(":Secret");
      const first = isSecret ? { type: "cnpg-teleport:certificates:ClusterCertificates", name: "orders" } : each;
      assert.ok(comesAfter(first).includes("Adoption"), each.name);
      // It refuses another place, before the Cluster would write there.
      if (each.type.endsWith(":ObjectStore")) assert.ok(comesAfter(each).includes("ArchiveName"), each.name);
    }
    assert.equal((ofType(all, ":OperatorCheck")[0]?.inputs.cluster as { adopt?: boolean }).adopt, true);
  });

  it("has an alias for each former name", async () => {
    await deploy({ formerNames: ["shop"] });
    const { aliases } = optionsOf({ type: "cnpg-teleport:postgres:PostgresCluster", name: "orders" });
    assert.deepEqual(aliases, [{ name: "shop" }]);
  });

  it("is deleted only after a check of the Kubernetes cluster, even if `up` created only parts of it", async () => {
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
      assert.ok(first.has(kind), `${kind} is deleted after the check of the Cluster`);
  });

  it("sets its owner on the Cluster and all objects before it, so that other stacks are refused", async () => {
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

  const inTopology = (primary: string): Partial<PostgresClusterArgs> => ({
    autoUsers: { roles: ["reader"] },
    users: [{ name: "reader", access: "read" }],
    usersAs: "databaseRole",
    schemas: ["sales"],
    poolers: [{ type: "rw" }],
    teleport: { proxy: "teleport.example.com:443", name: "orders-prod", accessRoles: true },
    vaultDatabase: { roles: { report: {} } },
    backup: { objectStore: { destinationPath: "s3://backups", s3Credentials: { inheritFromIAMRole: true } } },
    replica: { primary, clusters: { south: { archiveName: "south-1" } } },
  });

  it("has the same resources as a replica cluster and as the primary cluster, except for its names in Teleport", async () => {
    const named = (all: Made[]) => all.map(({ type, name }) => `${type.split(":").at(-1)} ${name}`).sort();
    const { all: replica } = await deploy(inTopology("south"));
    made.splice(0);
    const { all: primary } = await deploy(inTopology("orders"));
    const more = named(primary).filter((each) => !named(replica).includes(each));
    assert.deepEqual(more, ["Database orders-primary", "Database orders-standby"]);
    assert.deepEqual(
      named(replica).filter((each) => !named(primary).includes(each)),
      [],
    );
  });

  it("suspends everything that writes to PostgreSQL or to the names of the primary cluster in a replica cluster", async () => {
    const suspended = (all: Made[]) =>
      all
        .filter(({ inputs }) => inputs.suspended === true)
        .map(({ type }) => type.split(":").at(-1))
        .sort();
    const { all, outputs } = await deploy(inTopology("south"));
    assert.deepEqual(suspended(all), [
      ...["Access", "AccessRole", "AccessRole", "AutoUsersAdmin", "Backup", "DatabaseRolesServing", "DatabasesServing"],
    ]);
    const [serving] = ofType(all, ":ClusterServing");
    assert.deepEqual(serving?.inputs.role, { follows: "south", archiveName: "south-1" });
    assert.deepEqual(outputs.replica, { self: "orders", primary: "south", demotionToken: "a token" });
    assert.deepEqual(outputs.teleportDatabases, []);
    made.splice(0);
    const { all: primary, outputs: ofPrimary } = await deploy(inTopology("orders"));
    assert.deepEqual(suspended(primary), []);
    assert.deepEqual(ofType(primary, ":ClusterServing")[0]?.inputs.role, {});
    assert.deepEqual(ofPrimary.replica, { self: "orders", primary: "orders" });
  });

  it("refuses a primary cluster that was replaced before anything of the Cluster changes, and labels what it registers", async () => {
    const { all } = await deploy(inTopology("orders"));
    const [cluster] = all.filter(({ type }) => type === "kubernetes:postgresql.cnpg.io/v1:Cluster");
    assert.ok(cluster && comesAfter(cluster).includes("ReplicaRole"));
    const [role] = ofType(all, ":ReplicaRole");
    assert.deepEqual(role?.inputs.names, [
      {
        ...{ proxy: "teleport.example.com:443", name: "orders-prod", adopt: false },
        owner: "acme/cnpg-teleport/dev/orders-primary",
      },
    ]);
    const [status] = ofType(all, ":ReplicaStatus");
    assert.ok(status && comesAfter(status).includes("ClusterServing"));
    const labels = { "cnpg-teleport/topology": "7412", "cnpg-teleport/promoted": "20261130T123615Z" };
    const registered = [...ofType(all, "teleport:Database"), ...ofType(all, "teleport:AccessRole")];
    assert.equal(registered.length, 4);
    for (const { inputs } of registered) {
      const { metadata: found } = inputs.document as { metadata: { labels: Record<string, string> } };
      for (const [label, value] of Object.entries(labels)) assert.equal(found.labels[label], value);
    }
    const first = ofType(all, "postgres:Backup").find(({ name }) => name === "orders-first");
    assert.match(String(first?.inputs.reason), / 20261130T123615Z$/, "a promoted Cluster takes another first backup");
  });

  it("has no resources and no inputs of a topology without one", async () => {
    const { all } = await deploy({ ...inTopology("orders"), replica: undefined });
    assert.deepEqual(ofType(all, ":ReplicaRole").concat(ofType(all, ":ReplicaStatus")), []);
    const keys = { ClusterServing: "role", ArchiveName: "follows", DatabaseAdmin: "replicated" };
    for (const [type, key] of Object.entries(keys)) {
      const [found] = ofType(all, `:${type}`);
      assert.ok(found && !(key in found.inputs), type);
    }
    const [access] = ofType(all, "teleport:AccessRole");
    assert.deepEqual((access?.inputs.document as { metadata: { labels: object } }).metadata.labels, {});
    assert.ok(access && !("suspended" in access.inputs));
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

  it("passes a kubeconfig as a secret to every resource that reaches Kubernetes, and nothing if there is none", async () => {
    const everything: Partial<PostgresClusterArgs> = {
      ...whole,
      usersAs: "databaseRole",
      vaultDatabase: { roles: { report: {} } },
    };
    const reaching = (all: Made[]) =>
      all.filter(({ type }) => /^pulumi-nodejs:dynamic\/(?!teleport:|vault:MountRemoval)/.test(type));
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

  it("reports every wrong setting before anything is created", async () => {
    const bad = { storage: { size: "much" }, issuer: { type: "tls" }, instances: 0 } as const;
    assert.throws(
      () => new PostgresCluster("orders", bad),
      /2 settings are wrong:[\s\S]*instances = 0[\s\S]*storage\.size = "much"/,
    );
    assert.deepEqual(made, []);
  });
});
