/** The common interface of both issuers, their settings, and the checks of the settings. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import type { AltNames } from "./alt-names";
import type { PemSource } from "./ca-bundle";
import { CA_RESOURCES } from "../cnpg/names";
import { hours, checkDuration } from "../durations";
import { SettingProblem } from "../problems";
import { valueIfKnown } from "../value-check";
import { readPem } from "./pem";

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

/** CAs that the stack creates with `@pulumi/tls`. Each Cluster has one for servers and one for clients. */
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
   * The issuer in the mount with which the role signs, i.e. its `issuer_ref`. Only used for a role that does not sign now: the
   * CA of this issuer is also trusted. Default: `default`, the mount's default issuer.
   */
  issuer?: string;
}

/** Such a role, once all of it is known. */
export type KnownPkiRole = pulumi.Unwrap<VaultPkiRole>;

/**
 * Vault's PKI secrets engine, with `@pulumi/vault`. `@pulumi/tls` creates the keys, which are never sent to Vault. If
 * several Clusters share the mount of `client`, each accepts the replication certificates of the others.
 */
export interface VaultIssuerArgs extends CommonIssuerArgs {
  type: "vault";
  /**
   * Signs server certificates (server authentication only). Write a list only while you replace a CA: the first signs, the
   * CAs of all are trusted.
   */
  server: VaultPkiRole | VaultPkiRole[];
  /** Signs `streaming_replica` and `cnpg_pooler_pgbouncer` (client authentication only). A list works as in `server`. */
  client: VaultPkiRole | VaultPkiRole[];
  /**
   * PEM of the CAs above those that the mounts know, up to the root. PostgreSQL needs the whole chain. Default: none.
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
const KEY_SIZES: Record<CertificateKey["algorithm"], readonly number[]> = {
  ECDSA: [256, 384, 521],
  RSA: [2048, 3072, 4096],
};

/** A key with its size filled in. */
export function keyWithDefaults(
  { algorithm, size }: CertificateKey = { algorithm: "ECDSA" },
): Required<CertificateKey> {
  return { algorithm, size: size ?? (KEY_SIZES[algorithm][0] as number) };
}

/** All CAs of a use, the one that signs first. */
export function declaredCas(declared: string[] = [FIRST_CA]): string[] {
  return declared;
}

/**
 * Name of the Pulumi resources of a CA of the stack. For the default CA, it does not contain the CA's name, because stacks once had
 * only one CA. The names are in the states of users: never change them.
 */
export function caResource(database: string, use: CertificateUse, ca: string): string {
  const first = `${database}-${CA_RESOURCES[use]}`;
  return ca === FIRST_CA ? first : `${first}-${ca}`;
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

/** Checks the settings of an issuer. */
export function checkIssuer(setting: string, issuer: IssuerArgs): SettingProblem[] {
  const durations = [
    ...checkDuration(`${setting}.validity`, issuer.validity ?? "90d"),
    ...checkDuration(`${setting}.renewBefore`, issuer.renewBefore ?? "30d"),
    ...(issuer.type === "tls" ? checkDuration(`${setting}.caValidity`, issuer.caValidity ?? "3650d") : []),
  ];
  const problemsOfKey = checkKey(`${setting}.key`, issuer.key);
  const authorities = (["server", "client"] as const).flatMap((use) =>
    checkAuthorities(`${setting}.${use}`, issuer, use),
  );
  if (durations.length > 0) return [...durations, ...problemsOfKey, ...authorities];
  const { validity, renewBefore } = lifetimes(issuer);
  const problems: SettingProblem[] = [...problemsOfKey, ...authorities, ...checkTrustAnchors(setting, issuer)];
  if (renewBefore >= validity) {
    problems.push({
      setting: `${setting}.renewBefore`,
      value: issuer.renewBefore ?? "30d",
      problem: `must be shorter than the certificates' lifetime of ${validity} h, or every run would renew them`,
      fix: "Write about a third of validity.",
    });
  }
  if (issuer.type === "tls" && hours(issuer.caValidity ?? "3650d") <= validity) {
    problems.push({
      setting: `${setting}.caValidity`,
      value: issuer.caValidity ?? "3650d",
      problem: `must be longer than the certificates' lifetime of ${validity} h`,
      fix: "Write several times the value of validity.",
    });
  }
  return problems;
}

function checkKey(setting: string, key: CertificateKey | undefined): SettingProblem[] {
  if (key === undefined) return [];
  const sizes = KEY_SIZES[key.algorithm] as readonly number[] | undefined;
  if (sizes === undefined) {
    const problem = "must be a key algorithm that PostgreSQL and its clients support";
    return [{ setting: `${setting}.algorithm`, value: key.algorithm, problem, fix: "Write ECDSA or RSA." }];
  }
  if (key.size === undefined || sizes.includes(key.size)) return [];
  const problem = `must be a valid size of ${key.algorithm} keys`;
  return [{ setting: `${setting}.size`, value: key.size, problem, fix: `Write ${sizes.join(", ")}, or leave it out.` }];
}

/** Checks only the form. Whether it is the right CA shows when a certificate is signed. */
function checkTrustAnchors(setting: string, issuer: IssuerArgs): SettingProblem[] {
  if (issuer.type !== "vault" || typeof issuer.trustAnchors !== "string" || issuer.trustAnchors === "") return [];
  return readPem(issuer.trustAnchors).problems.map((found) => ({ setting: `${setting}.trustAnchors`, ...found }));
}

/** The name becomes part of a resource's name and of the CA's name. */
const CA_NAME = /^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/;
/** A name or an ID in Vault. Not a path, so that it cannot be used to read something else. */
const ISSUER_REF = /^[\w-]+(\.[\w-]+)*$/;

/** Checks the CAs for one use: not empty, no repetition, valid names. */
function checkAuthorities(setting: string, issuer: IssuerArgs, use: CertificateUse): SettingProblem[] {
  const entries =
    issuer.type === "tls"
      ? declaredCas(issuer[use]).map((name) => ({ name, ca: `the CA ${name}`, empty: [] }))
      : declaredRoles(issuer[use]).map(({ mount, role, issuer: ref = DEFAULT_ISSUER }, index) => ({
          empty: Object.entries({ mount, role }).filter(([, value]) => value === undefined || value === ""),
          name: ref,
          // Two mounts that are not known yet are compared when they are.
          ca: `the CA of ${valueIfKnown(mount) ?? `mount ${index}`}${ref === DEFAULT_ISSUER ? "" : `, issuer ${ref}`}`,
        }));
  if (entries.length === 0) {
    return [
      {
        setting,
        value: [],
        problem: "must name at least one CA",
        fix: "Write the one that signs, or leave the setting out.",
      },
    ];
  }
  return entries.flatMap(({ name, ca, empty }, index): SettingProblem[] => {
    const at = Array.isArray(issuer[use]) ? `${setting}[${index}]` : setting;
    if (empty.length > 0) {
      const fix = "Write the name in Vault.";
      return empty.map(([key, value]) => ({ setting: `${at}.${key}`, value, problem: "must not be empty", fix }));
    }
    if (entries.findIndex((other) => other.ca === ca) < index) {
      const fix = "Write each CA once: first the one that signs, then the others that are trusted.";
      return [{ setting: at, value: issuer.type === "tls" ? name : undefined, problem: `names ${ca} twice`, fix }];
    }
    if (issuer.type === "tls") {
      const fix = "Use at most 32 lower-case letters, digits and hyphens, e.g. second.";
      return CA_NAME.test(name) ? [] : [{ setting: at, value: name, problem: "is not a valid name of a CA", fix }];
    }
    const fix = "Write the name or the ID of an issuer, as `vault list <mount>/issuers` shows it.";
    return ISSUER_REF.test(name)
      ? []
      : [{ setting: `${at}.issuer`, value: name, problem: "is not a valid name of an issuer", fix }];
  });
}
