/**
 * Hibernated Clusters as somebody writes them without the library: the same Namespaces, certificates, Secrets and
 * Clusters that the library creates, and nothing else. No component, no dynamic provider, nothing in Teleport.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

interface ClusterSettings {
  image: string;
  storage: object;
  resources: object;
  parameters: Record<string, string>;
}

const config = new pulumi.Config();
const labels = config.requireObject<Record<string, string>>("labels");
const settings = config.requireObject<ClusterSettings>("cluster");
/** PEM of the CA that signs the certificates of Teleport's agents. */
const teleportCa = config.require("teleportCa");

const YEAR_HOURS = 365 * 24;
const USERS = ["teleport_user_read", "teleport_user_write"];
const KEY = { algorithm: "ECDSA", ecdsaCurve: "P256" };

for (const name of config.requireObject<string[]>("names")) {
  const namespace = new k8s.core.v1.Namespace(name, { metadata: { name, labels } }).metadata.name;
  const servers = certificateAuthority(`${name}-server-ca`);
  const clients = certificateAuthority(`${name}-client-ca`);
  const hosts = ["rw", "ro", "r"].flatMap((service) =>
    ["", `.${name}`, `.${name}.svc`, `.${name}.svc.cluster.local`].map((domain) => `${name}-${service}${domain}`),
  );
  const secret = (secretName: string, type: string, stringData: Record<string, pulumi.Input<string>>) =>
    new k8s.core.v1.Secret(secretName, {
      metadata: { name: secretName, namespace, labels: { "cnpg.io/reload": "" } },
      type,
      stringData,
    }).metadata.name;
  const tlsSecret = (secretName: string, signed: Signed) =>
    secret(secretName, "kubernetes.io/tls", { "tls.crt": signed.certificate, "tls.key": signed.key.privateKeyPem });

  const server = sign(`${name}-server`, servers, `${name}-rw`, "server_auth", hosts);
  const replication = sign(`${name}-replication`, clients, "streaming_replica", "client_auth");
  const pooler = sign(`${name}-pooler`, clients, "cnpg_pooler_pgbouncer", "client_auth");
  tlsSecret(`${name}-pooler`, pooler);
  new k8s.apiextensions.CustomResource(name, {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: { name, namespace, annotations: { "cnpg.io/hibernation": "on" } },
    spec: {
      instances: 1,
      imageName: settings.image,
      certificates: {
        serverTLSSecret: tlsSecret(`${name}-server-tls`, server),
        serverCASecret: secret(`${name}-server-ca`, "Opaque", { "ca.crt": servers.certificate }),
        replicationTLSSecret: tlsSecret(`${name}-replication-tls`, replication),
        clientCASecret: secret(`${name}-client-ca-bundle`, "Opaque", {
          "ca.crt": pulumi.concat(clients.certificate, teleportCa),
        }),
      },
      bootstrap: { initdb: { database: "app", owner: "app", dataChecksums: true } },
      storage: settings.storage,
      resources: settings.resources,
      postgresql: {
        parameters: settings.parameters,
        pg_hba: ["0.0.0.0/0", "::/0"].flatMap((address) => [
          `hostssl all ${USERS.join(",")} ${address} cert`,
          `hostnossl all ${USERS.join(",")} ${address} reject`,
        ]),
      },
      managed: {
        roles: USERS.map((user) => ({
          name: user,
          ensure: "present",
          login: true,
          connectionLimit: 20,
          disablePassword: true,
        })),
      },
    },
  });
}

interface Signed {
  key: tls.PrivateKey;
  certificate: pulumi.Output<string>;
}

function certificateAuthority(name: string): Signed {
  const key = new tls.PrivateKey(name, KEY);
  const certificate = new tls.SelfSignedCert(name, {
    privateKeyPem: key.privateKeyPem,
    isCaCertificate: true,
    subject: { commonName: name },
    validityPeriodHours: 10 * YEAR_HOURS,
    allowedUses: ["cert_signing", "crl_signing"],
    setSubjectKeyId: true,
  });
  return { key, certificate: certificate.certPem };
}

function sign(name: string, ca: Signed, commonName: string, use: string, dnsNames?: string[]): Signed {
  const key = new tls.PrivateKey(name, KEY);
  const request = new tls.CertRequest(name, { privateKeyPem: key.privateKeyPem, subject: { commonName }, dnsNames });
  const certificate = new tls.LocallySignedCert(name, {
    certRequestPem: request.certRequestPem,
    caCertPem: ca.certificate,
    caPrivateKeyPem: ca.key.privateKeyPem,
    validityPeriodHours: YEAR_HOURS,
    allowedUses: ["digital_signature", "key_encipherment", use],
  });
  return { key, certificate: certificate.certPem };
}
