/** The one interface of both issuers, and the settings that choose between them. */
import * as pulumi from "@pulumi/pulumi";
import type { AltNames } from "./alt-names";
import type { PemSource } from "./ca-bundle";
import { hours } from "./duration";

/** What a certificate is for; becomes its extended key usage. */
export type CertificateUse = "server" | "client";

/** What is asked of an issuer. */
export interface CertificateRequest {
  use: CertificateUse;
  commonName: string;
  /** Subject alternative names, DNS names and IP addresses; for server certificates only. */
  names?: pulumi.Input<AltNames>;
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

/** What makes certificates, and whose certificates are trusted beside those that it makes now. */
export interface Issuer {
  issue: Issue;
  /** The CAs that are declared and do not sign: those of a rotation that is to come, or is to end. */
  trusted: Record<CertificateUse, pulumi.Output<PemSource[]>>;
}

/** How long leaf certificates live. */
export interface Validity {
  /** Lifetime of a leaf certificate in days or hours, e.g. `90d` or `2160h`. Default: `90d`. */
  validity?: string;
  /**
   * How long before its end a certificate is renewed by the next plain `pulumi up`, in days or hours. Default: `30d`.
   */
  renewBefore?: string;
}

/** The key of a certificate. */
export interface CertificateKey {
  /** Kind of key. */
  algorithm: "ECDSA" | "RSA";
  /** Bits: 256, 384 or 521 for ECDSA (P-256, P-384, P-521); 2048, 3072 or 4096 for RSA. Default: 256 and 2048. */
  size?: number;
}

/** What both kinds of issuers have. */
export interface CommonIssuerArgs extends Validity {
  /**
   * The kind of key of each certificate, e.g. RSA for a PKI role or clients that require it. If you change it, `up`
   * replaces keys and certificates in place. The CAs of `type: tls` always use ECDSA with 256 bits. Default:
   * `{ algorithm: ECDSA, size: 256 }`.
   */
  key?: CertificateKey;
}

/** CAs that live in the stack, one for servers and one for clients of each Cluster, by `@pulumi/tls`. */
export interface TlsIssuerArgs extends CommonIssuerArgs {
  type: "tls";
  /**
   * Names of the CAs for servers: the first signs, all are trusted. More than one only while a CA is being replaced:
   * `[first, second]`, then `[second, first]`, then `[second]`. Default: `[first]`.
   */
  server?: string[];
  /** Names of the CAs for clients, as for `server`. Default: `[first]`. */
  client?: string[];
  /** Lifetime of the CAs in days or hours. Default: `3650d`. */
  caValidity?: string;
}

/** A role of a Vault PKI secrets engine that signs certificate requests. */
export interface VaultPkiRole {
  /**
   * Path of the mount, e.g. `pki_postgres`.
   *
   * @minLength 1
   */
  mount: pulumi.Input<string>;
  /**
   * Name of the role; it must allow the names asked for and the one extended key usage.
   *
   * @minLength 1
   */
  role: pulumi.Input<string>;
  /**
   * The issuer of the mount that the role signs with, its `issuer_ref`. Only read where another signs: it says whose
   * certificates are trusted besides. Default: `default`, the mount's own.
   */
  issuer?: string;
}

/** Such a role, once all of it is known. */
export type KnownPkiRole = pulumi.Unwrap<VaultPkiRole>;

/**
 * Vault's PKI secrets engine, by `@pulumi/vault`. Keys are made by `@pulumi/tls` and never sent to Vault.
 * Where several Clusters share the mount of `client`, their replicas' certificates are good for each other.
 */
export interface VaultIssuerArgs extends CommonIssuerArgs {
  type: "vault";
  /**
   * Signs server certificates (server authentication only). A list only while a CA is being replaced: the first signs,
   * the CAs of all are trusted.
   */
  server: VaultPkiRole | VaultPkiRole[];
  /** Signs `streaming_replica` and `cnpg_pooler_pgbouncer` (client authentication only). A list as for `server`. */
  client: VaultPkiRole | VaultPkiRole[];
  /**
   * PEM of CAs above those that the mounts know, up to the root: PostgreSQL wants the whole chain. Default: none.
   */
  trustAnchors?: pulumi.Input<string>;
}

/** Who signs certificates. */
export type IssuerArgs = TlsIssuerArgs | VaultIssuerArgs;

/** The CA of the stack whose resources have no name of its own in theirs: the one that there is by default. */
export const FIRST_CA = "first";
/** The issuer that a mount of Vault signs with unless a role says otherwise, by Vault's own name. */
export const DEFAULT_ISSUER = "default";

/** Sizes of keys that there are, in bits; the first is the default. */
export const KEY_SIZES: Record<CertificateKey["algorithm"], readonly number[]> = {
  ECDSA: [256, 384, 521],
  RSA: [2048, 3072, 4096],
};

/** A key with its size. */
export function wholeKey({ algorithm, size }: CertificateKey = { algorithm: "ECDSA" }): Required<CertificateKey> {
  return { algorithm, size: size ?? (KEY_SIZES[algorithm][0] as number) };
}

/** All CAs of a use, the one that signs first. */
export function declaredCas(declared: string[] = [FIRST_CA]): string[] {
  return declared;
}

/** All roles of a use, the one that signs first. */
export function declaredRoles(declared: VaultPkiRole | VaultPkiRole[]): VaultPkiRole[] {
  return Array.isArray(declared) ? declared : [declared];
}

/** Lifetimes in hours, defaults filled in. */
export function lifetimes({ validity = "90d", renewBefore = "30d" }: Validity): {
  validity: number;
  renewBefore: number;
} {
  return { validity: hours(validity), renewBefore: hours(renewBefore) };
}
