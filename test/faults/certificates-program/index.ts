/** A user's own program with the library: the certificates of a Cluster, signed by Vault. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { ClusterCertificates, VaultIssuerArgs } from "../../../components";

const config = new pulumi.Config();
const cluster = config.require("cluster");
const { VAULT_ADDR = "", VAULT_ROLE_ID, VAULT_SECRET_ID } = process.env;
const login = pulumi.secret({ role_id: VAULT_ROLE_ID ?? "", secret_id: VAULT_SECRET_ID ?? "" });
const providers = {
  kubernetes: new k8s.Provider("kubernetes", { enableSecretMutable: true }),
  vault: new vault.Provider("vault", {
    address: VAULT_ADDR,
    skipChildToken: true,
    // With a token from the environment (`auth.method: token`) there is no login.
    ...(VAULT_ROLE_ID ? { authLogin: { path: "auth/approle/login", parameters: login } } : {}),
  }),
};
const certificates = new ClusterCertificates(
  cluster,
  {
    cluster,
    namespace: cluster,
    issuer: config.requireObject<VaultIssuerArgs>("issuer"),
    clusterDomain: "cluster.local",
    serverAltNames: config.getObject<string[]>("serverAltNames"),
    explicitPoolers: false,
    poolers: [],
    clientCas: [],
  },
  { providers },
);

export const serverCa = certificates.serverCa;
