/**
 * The certificates with which the CloudNativePG operator and the barman-cloud plugin authenticate each other, so that the
 * plugin needs no cert-manager. One stack for each Kubernetes cluster. Run `pulumi up` at least once a month: this renews
 * the certificates 30 days before they expire.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { BackupPluginCertificates, IssuerArgs } from "cnpg-teleport";

const config = new pulumi.Config();
const kubernetes = new k8s.Provider("kubernetes", { enableSecretMutable: true });

/** Names of the two Secrets, which the plugin's manifest expects. */
export const { secrets } = new BackupPluginCertificates(
  "backup-plugin",
  {
    // CAs in the stack, or the output `issuer` of a stack of ../bootstrap with `backupPlugin: true`.
    issuer: config.getObject<IssuerArgs>("issuer") ?? { type: "tls" },
    namespace: config.get("namespace"), // of the operator and the plugin; default: cnpg-system
  },
  { providers: { kubernetes } },
);
