import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { BackupPluginCertificatesArgs } from "../../../components";
import { Certificate, OpenSsl } from "./openssl";

interface Made {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const openssl = new OpenSsl();
const made: Made[] = [];
/** The CAs of the stack, by the names of their resources. */
const authorities = new Map<string, Certificate>();
/** The CA with which Vault signs, and the chain that Vault returns. */
let vault: { certificate: Certificate; chain: string[] };
const VAULT_ISSUER = {
  type: "vault",
  server: { mount: "pki", role: "server" },
  client: { mount: "pki_clients", role: "client" },
} as const;

/** Certificates like those of the real providers, so that they pass the checks of issued certificates. */
function certificateOf({ type, name, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  const leaf = (request: string, ca: Certificate) => {
    const { commonName, dnsNames } = JSON.parse(request) as { commonName: string; dnsNames?: string[] };
    return openssl.leaf(commonName, ca, { use: dnsNames ? "serverAuth" : "clientAuth", dnsNames, days: 90 }).pem;
  };
  switch (type) {
    case "tls:index/privateKey:PrivateKey":
      return { privateKeyPem: pulumi.secret(`the key of ${name}`) };
    case "tls:index/selfSignedCert:SelfSignedCert": {
      const ca = openssl.ca(name, undefined, 400);
      authorities.set(name, ca);
      return { certPem: ca.pem };
    }
    case "tls:index/certRequest:CertRequest":
      return { certRequestPem: JSON.stringify({ ...inputs, commonName: inputs.subject.commonName }) };
    case "tls:index/locallySignedCert:LocallySignedCert": {
      const ca = [...authorities.values()].find(({ pem }) => pem === inputs.caCertPem);
      return { certPem: leaf(inputs.certRequestPem, ca!) };
    }
    case "vault:pkiSecret/secretBackendSign:SecretBackendSign":
      return {
        certificate: leaf(inputs.csr, vault.certificate),
        issuingCa: vault.certificate.pem,
        caChains: vault.chain,
      };
    default:
      return {};
  }
}

describe("the certificates of the backup plugin", () => {
  let library: typeof import("../../../components");
  const warnings: string[] = [];
  const { warn } = pulumi.log;

  before(async () => {
    pulumi.runtime.setConfig("kubernetes:enableSecretMutable", "true");
    await pulumi.runtime.setMocks(
      {
        newResource: (args) => {
          made.push({ type: args.type, name: args.name, inputs: args.inputs });
          return { id: `${args.name}-id`, state: { ...args.inputs, ...certificateOf(args) } };
        },
        call: () => ({}),
      },
      "platform",
      "prod",
      false,
      "acme",
    );
    library = await import("../../../components");
    Object.assign(pulumi.log, { warn: async (message: string) => void warnings.push(message) });
  });
  beforeEach(() => {
    authorities.clear();
    warnings.splice(0);
  });
  after(() => {
    Object.assign(pulumi.log, { warn });
    openssl.remove();
  });

  /** The two Secrets, with their content decoded. */
  const deploy = async (args: Partial<BackupPluginCertificatesArgs> = {}) => {
    made.splice(0);
    const { secrets } = new library.BackupPluginCertificates("plugin", { issuer: { type: "tls" }, ...args });
    const names = await new Promise<{ server: string; client: string }>((resolve) => secrets.apply(resolve));
    const content = (name: string) => {
      const { inputs } = made.find(
        ({ type, inputs }) =>
          type === "kubernetes:core/v1:Secret" && (inputs.metadata as { name: string }).name === name,
      )!;
      // Mocks get the whole map as one secret if it contains a secret.
      const { data } = inputs as { data: Record<string, string> & { value?: Record<string, string> } };
      const encoded = typeof data.value === "object" ? data.value : data;
      const text = (key: string) => Buffer.from(encoded[key] ?? "", "base64").toString();
      const pem = text("tls.crt").match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
      const { namespace, annotations } = inputs.metadata as { namespace: string; annotations: Record<string, string> };
      return {
        ...{ namespace, annotations, type: inputs.type, key: text("tls.key") },
        certificates: pem.map((each) => new X509Certificate(each)),
      };
    };
    return { names, server: content(names.server), client: content(names.client) };
  };
  const subjects = ({ certificates }: { certificates: X509Certificate[] }) =>
    certificates.map(({ subject }) => subject.replace("CN=", ""));

  it("are in the Secrets of the plugin's manifest, in the operator's namespace, with the names that both sides verify", async () => {
    const { names, server, client } = await deploy();
    assert.deepEqual(names, { server: "barman-cloud-server-tls", client: "barman-cloud-client-tls" });
    for (const { namespace, type, annotations } of [server, client]) {
      assert.deepEqual([namespace, type], ["cnpg-system", "kubernetes.io/tls"]);
      assert.match(annotations["pulumi.com/owner"] ?? "", /^acme\/platform\/prod\/plugin$/);
    }
    assert.equal(server.certificates[0]?.subjectAltName, "DNS:barman-cloud");
    assert.deepEqual(server.certificates[0]?.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    assert.deepEqual(client.certificates[0]?.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
    assert.deepEqual([server.key, client.key], ["the key of plugin-server", "the key of plugin-client"]);
    const { server: elsewhere } = await deploy({ namespace: pulumi.output("operators") });
    assert.equal(elsewhere.namespace, "operators");
  });

  it("are followed by the CA that signed them, because the other side trusts what is in the Secret", async () => {
    const { server, client } = await deploy();
    assert.deepEqual(subjects(server), ["barman-cloud", "plugin-server-ca"]);
    assert.deepEqual(subjects(client), ["barman-cloud-client", "plugin-client-ca"]);
  });

  it("trust both CAs while one replaces the other, so that no restart is needed", async () => {
    const { server, client } = await deploy({
      issuer: { type: "tls", server: ["second", "first"], client: ["first", "second"] },
    });
    assert.deepEqual(subjects(server), ["barman-cloud", "plugin-server-ca-second", "plugin-server-ca"]);
    assert.deepEqual(subjects(client), ["barman-cloud-client", "plugin-client-ca", "plugin-client-ca-second"]);
  });

  it("from Vault do not trust the CAs above the one that signs, which sign for others too", async () => {
    const root = openssl.ca("the company's root", undefined, 400);
    const certificate = openssl.ca("backup plugin", root, 300);
    vault = { certificate, chain: [certificate.pem, root.pem] };
    const { server, client } = await deploy({ issuer: VAULT_ISSUER });
    assert.deepEqual(subjects(server), ["barman-cloud", "backup plugin"]);
    assert.deepEqual(subjects(client), ["barman-cloud-client", "backup plugin"]);
  });

  it("warn if their CA ends before they do", async () => {
    const certificate = openssl.ca("ending", undefined, 30);
    vault = { certificate, chain: [certificate.pem] };
    await deploy({ issuer: VAULT_ISSUER });
    assert.match(warnings.join("\n"), /^The CA of issuer\.server of the backup plugin ends at /m);
    assert.match(warnings.join("\n"), /^The CA of issuer\.client of the backup plugin ends at /m);
  });

  it("are refused with every wrong setting at once, before anything is created", async () => {
    made.splice(0);
    const wrong = { namespace: "CNPG System", issuer: { type: "tls", validity: "10d", renewBefore: "30d" } } as const;
    assert.throws(
      () => new library.BackupPluginCertificates("plugin", wrong),
      (error: Error) =>
        error instanceof library.SettingsError &&
        /namespace = "CNPG System": is not a valid name of a namespace/.test(error.message) &&
        /issuer\.renewBefore = "30d": must be shorter than the certificates' lifetime/.test(error.message),
    );
    for (const issuer of [undefined, { type: "cert-manager" }])
      assert.throws(
        () => new library.BackupPluginCertificates("plugin", { issuer } as unknown as BackupPluginCertificatesArgs),
        /issuer\.type.*: must be tls or vault\. Write \{ type: "tls" \}, or \{ type: "vault", server, client \}/,
      );
    assert.deepEqual(made, []);
  });
});
