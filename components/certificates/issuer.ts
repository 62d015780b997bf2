/** The common interface of both issuers, and their settings. */
import * as pulumi from "@pulumi/pulumi";
import type { AltNames } from "./alt-names";
import type { PemSource } from "./ca-bundle";
import { hours } from "../durations";

/** The use of a certificate. Becomes its extended key usage. */
export type CertificateUse = "server" | "client";

/** A request to an issuer. */
export interface CertificateRequest {
  use: CertificateUse;
  commonName: string;
  /** Subject alternative names. Only for server certificates. */
  names?: pulumi.Input<AltNames>;
}

/** A certificate from an issuer. */
export interface IssuedCertificate {
  /** PEM, without the issuer's chain. */
  certificate: pulumi.Output<string>;
  /** PEM; secret. */
  privateKey: pulumi.Output<string>;
  /** PEM of the CA that signed it, then the CAs above it up to the root. */
  caChain: pulumi.Output<string>;
}

/** Creates a key and a certificate. The resources are named after `name` and are children of `opts.parent`. */
export type Issue = (
  name: string,
  request: CertificateRequest,
  opts: pulumi.CustomResourceOptions,
) => IssuedCertificate;

/** Issues certificates, and knows the other CAs that are trusted. */
export interface Issuer {
  issue: Issue;
  /** The declared CAs that do not sign: those before and after their turn in a rotation. */
  trusted: Record<CertificateUse, pulumi.Output<PemSource[]>>;
}

/** How long leaf certificates live. */
export interface Validity {
  /** Lifetime of a leaf certificate in days or hours, e.g. `90d` or `2160h`. Default: `90d`. */
  validity?: string;
  /**
   * How long before its expiry a certificate is renewed by the next plain `pulumi up`, in days or hours. Default: `30d`.
   */
  renewBefore?: string;
}

/** The key of a certificate. */
export interface CertificateKey {
  /** Key algorithm. */
  algorithm: "ECDSA" | "RSA";
  /** Bits: 256, 384 or 521 for ECDSA (P-256, P-384, P-521); 2048, 3072 or 4096 for RSA. Default: 256 and 2048. */
  size?: number;
}

/** Settings of both issuers. */
export interface CommonIssuerArgs extends Validity {
  /**
   * The key of each certificate, e.g. RSA for a PKI role or clients that require it. If you change it, `up`
   * replaces keys and certificates in place. The CAs of `type: tls` always use ECDSA with 256 bits. Default:
   * `{ algorithm: ECDSA, size: 256 }`.
   */
  key?: CertificateKey;
}

/** CAs in the stack, by `@pulumi/tls`. Each Cluster has one for servers and one for clients. */
export interface TlsIssuerArgs extends CommonIssuerArgs {
  type: "tls";
  /**
   * Names of the CAs for servers. The first signs, all are trusted. Write several names only while you replace a CA:
   * `[first, second]`, then `[second, first]`, then `[second]`. Default: `[first]`.
   */
  server?: string[];
  /** Names of the CAs for clients, like `server`. Default: `[first]`. */
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
   * Name of the role. It must allow the requested names and the extended key usage.
   *
   * @minLength 1
   */
  role: pulumi.Input<string>;
  /**
   * The issuer of the mount that the role signs with, its `issuer_ref`. Only used for a role that does not sign: it names the
   * CA that is trusted too. Default: `default`, the mount's default issuer.
   */
  issuer?: string;
}

/** Such a role, once all of it is known. */
export type KnownPkiRole = pulumi.Unwrap<VaultPkiRole>;

/**
 * Vault's PKI secrets engine, by `@pulumi/vault`. `@pulumi/tls` creates the keys, and they are never sent to Vault. If
 * several Clusters share the mount of `client`, each accepts the replication certificates of the others.
 */
export interface VaultIssuerArgs extends CommonIssuerArgs {
  type: "vault";
  /**
   * Signs server certificates (server authentication only). Write a list only while you replace a CA: the first signs, the
   * CAs of all are trusted.
   */
  server: VaultPkiRole | VaultPkiRole[];
  /** Signs `streaming_replica` and `cnpg_pooler_pgbouncer` (client authentication only). A list works like in `server`. */
  client: VaultPkiRole | VaultPkiRole[];
  /**
   * PEM of CAs above those that the mounts know, up to the root: PostgreSQL wants the whole chain. Default: none.
   */
  trustAnchors?: pulumi.Input<string>;
}

/** Who signs certificates. */
export type IssuerArgs = TlsIssuerArgs | VaultIssuerArgs;

/** The default CA of the stack. Its name is not part of its resources' names. */
export const FIRST_CA = "first";
/** Vault's name for the default issuer of a mount. */
export const DEFAULT_ISSUER = "default";

/** The allowed key sizes in bits. The first is the default. */
export const KEY_SIZES: Record<CertificateKey["algorithm"], readonly number[]> = {
  ECDSA: [256, 384, 521],
  RSA: [2048, 3072, 4096],
};

/** A key with its size filled in. */
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
