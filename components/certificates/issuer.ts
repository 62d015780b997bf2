/** The one interface of both issuers, and the settings that choose between them. */
import * as pulumi from "@pulumi/pulumi";
import { SettingProblem } from "../settings";
import { checkDuration, hours } from "./duration";

/** What a certificate is for; becomes its extended key usage. */
export type CertificateUse = "server" | "client";

/** What is asked of an issuer. */
export interface CertificateRequest {
  use: CertificateUse;
  commonName: string;
  /** Subject alternative names; for server certificates only. */
  dnsNames?: pulumi.Input<string[]>;
}

/** A certificate that an issuer made. */
export interface IssuedCertificate {
  /** PEM; the issuer's chain is not in it. */
  certificate: pulumi.Output<string>;
  /** PEM; secret. */
  privateKey: pulumi.Output<string>;
  /** PEM of the CA that signed it, then the CAs above it up to the root. */
  caChain: pulumi.Output<string>;
}

/** Makes a key and a certificate; the resources are named after `name` and are children of `opts.parent`. */
export type Issue = (
  name: string,
  request: CertificateRequest,
  opts: pulumi.CustomResourceOptions,
) => IssuedCertificate;

/** How long leaf certificates live. */
export interface Validity {
  /** Lifetime of a leaf certificate, e.g. `90d` or `2160h`. Default: `90d`. */
  validity?: string;
  /** How long before its end a certificate is renewed by the next plain `pulumi up`. Default: `30d`. */
  renewBefore?: string;
}

/** CAs that live in the stack, one for servers and one for clients of each Cluster, by @pulumi/tls. */
export interface TlsIssuerArgs extends Validity {
  type: "tls";
  /** Lifetime of the CAs. Default: `3650d`. */
  caValidity?: string;
}

/** A role of a Vault PKI secrets engine that signs certificate requests. */
export interface VaultPkiRole {
  /** Path of the mount, e.g. `pki_int`. */
  mount: string;
  /** Name of the role; it must allow the names asked for and the one extended key usage. */
  role: string;
}

/**
 * Vault's PKI secrets engine, by @pulumi/vault. Keys are made by @pulumi/tls and never sent to Vault.
 * Where several Clusters share the mount of `client`, their replicas' certificates are good for each other.
 */
export interface VaultIssuerArgs extends Validity {
  type: "vault";
  /** Signs server certificates (server authentication only). */
  server: VaultPkiRole;
  /** Signs `streaming_replica` and `cnpg_pooler_pgbouncer` (client authentication only). */
  client: VaultPkiRole;
  /** PEM of CAs above those that the mounts know, up to the root: PostgreSQL wants the whole chain. */
  trustAnchors?: pulumi.Input<string>;
}

export type IssuerArgs = TlsIssuerArgs | VaultIssuerArgs;

/** Lifetimes in hours, defaults filled in. */
export function lifetimes({ validity = "90d", renewBefore = "30d" }: Validity): {
  validity: number;
  renewBefore: number;
} {
  return { validity: hours(validity), renewBefore: hours(renewBefore) };
}

/** Checks the settings of an issuer. */
export function checkIssuer(setting: string, issuer: IssuerArgs): SettingProblem[] {
  const durations = [
    ...checkDuration(`${setting}.validity`, issuer.validity ?? "90d"),
    ...checkDuration(`${setting}.renewBefore`, issuer.renewBefore ?? "30d"),
    ...(issuer.type === "tls" ? checkDuration(`${setting}.caValidity`, issuer.caValidity ?? "3650d") : []),
  ];
  if (durations.length > 0) return durations;
  const { validity, renewBefore } = lifetimes(issuer);
  const problems: SettingProblem[] = [];
  if (renewBefore >= validity) {
    problems.push({
      setting: `${setting}.renewBefore`,
      value: issuer.renewBefore ?? "30d",
      problem: `is not shorter than the certificates' lifetime of ${validity} h, so that every run would renew them`,
      fix: "Choose about a third of validity.",
    });
  }
  if (issuer.type === "tls" && hours(issuer.caValidity ?? "3650d") <= validity) {
    problems.push({
      setting: `${setting}.caValidity`,
      value: issuer.caValidity ?? "3650d",
      problem: `is not longer than the certificates' lifetime of ${validity} h`,
      fix: "Give the CAs several times the lifetime of what they sign.",
    });
  }
  return problems;
}
