/**
 * An issuer that lets Vault's PKI sign requests, by @pulumi/vault. Keys are created here and never sent to Vault. A CA
 * that does not sign, before or after its turn in a rotation, is read from its mount. The role that signs is read too,
 * to predict in a preview what Vault would refuse, with the names of the settings. Vault's own refusal comes from
 * Pulumi's plugin, in Vault's words, and only when the first certificate is signed. If the policy does not allow
 * reading the role, there is no warning.
 */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import * as vault from "@pulumi/vault";
import { altNames } from "./alt-names";
import { renewalDeadlineWarning } from "./certificate-check";
import {
  CertificateRequest,
  CertificateUse,
  declaredRoles,
  Issue,
  Issuer,
  lifetimes,
  VaultIssuerArgs,
  VaultPkiRole,
  keyWithDefaults,
  CertificateKey,
  DEFAULT_ISSUER,
  KnownPkiRole,
} from "./issuer";
import { leafKey, LEAF_USES, requestedNames } from "./tls-issuer";
import { ofCreated } from "../known-outputs";
import { warnOnce } from "./warn-once";
import { SettingsError } from "../problems";
import type { PemSource } from "./ca-bundle";

/** The first role of each use signs. The CAs of the other roles are read, so that they are trusted. */
export function vaultIssuer(args: VaultIssuerArgs, opts: pulumi.InvokeOptions): Issuer {
  const anchors = args.trustAnchors ?? "";
  const trusted = (use: CertificateUse) =>
    pulumi.all(
      declaredRoles(args[use])
        .slice(1)
        .map((role) => vaultAuthority(`issuer.${use}`, role, anchors, opts)),
    );
  return { issue: signedByVault(args), trusted: { server: trusted("server"), client: trusted("client") } };
}

/** Warns about what the role would refuse, if the role can be read. */
function warnOfRole(
  role: VaultPkiRole,
  request: Omit<SigningRequest, "ipAddresses">,
  names: CertificateRequest["names"],
  parent: pulumi.Resource,
): void {
  const asked = pulumi.output(role).apply(async (known) => ({ known, settings: await readRole(known, { parent }) }));
  pulumi.all([asked, names ?? altNames([])]).apply(([{ known, settings }, { ipAddresses }]) => {
    for (const warning of settings ? roleWarnings(known, settings, { ...request, ipAddresses }) : []) {
      warnOnce(warning, parent);
    }
  });
}

/**
 * Warns if the CA expires so soon that nothing can be renewed. Checks the CA that Vault has now, or, if it cannot be
 * read, the CA that signed last.
 */
function warnOfExpiry(
  role: VaultPkiRole,
  { setting, ...life }: { setting: string; validity: number; renewBefore: number },
  lastChain: pulumi.Output<string>,
  parent: pulumi.Resource,
): void {
  const warn = (mount: string, chain: string) => {
    const warning = renewalDeadlineWarning(`${setting}, mount ${mount},`, chain, life);
    if (warning !== undefined) warnOnce(warning, parent);
  };
  const current = pulumi
    .output(role)
    .apply(async (known) => ({ mount: known.mount, chain: await readSigningCa(known, { parent }) }));
  current.apply(({ mount, chain }) => chain !== undefined && warn(mount, chain));
  pulumi.all([current, lastChain]).apply(([{ mount, chain }, last]) => chain === undefined && warn(mount, last));
}

function signedByVault(args: VaultIssuerArgs): Issue {
  const { validity, renewBefore } = lifetimes(args);
  return (leaf, { use, commonName, names }, opts) => {
    const { dnsNames, ipAddresses } = requestedNames(names);
    const key = new tls.PrivateKey(leaf, leafKey(args.key), opts);
    // @pulumi/vault notices only in a refresh that a certificate must be renewed. @pulumi/tls notices it in every plan.
    // So this certificate, which is used nowhere else, must be renewed at the same time as Vault's. Its replacement
    // changes the request's organizational unit (which Vault's sign endpoint ignores), and a changed request is signed
    // again.
    const clock = new tls.SelfSignedCert(
      `${leaf}-renewal`,
      {
        privateKeyPem: key.privateKeyPem,
        subject: { commonName: `renewal of ${commonName}` },
        validityPeriodHours: validity,
        earlyRenewalHours: renewBefore,
        allowedUses: LEAF_USES[use],
      },
      opts,
    );
    const period = ofCreated(clock, clock.certPem).apply((pem) =>
      createHash("sha256").update(pem).digest("hex").slice(0, 16),
    );
    const request = new tls.CertRequest(
      leaf,
      { privateKeyPem: key.privateKeyPem, subject: { commonName, organizationalUnit: period }, dnsNames, ipAddresses },
      opts,
    );
    const [signing] = declaredRoles(args[use]) as [VaultPkiRole]; // checked: there is one
    const { mount, role } = signing;
    const signed = new vault.pkisecret.SecretBackendSign(
      leaf,
      {
        backend: mount,
        name: role,
        csr: request.certRequestPem,
        commonName,
        // For roles that do not take the names from the request (use_csr_sans=false).
        altNames: dnsNames,
        ipSans: ipAddresses,
        excludeCnFromSans: true,
        ttl: `${validity}h`,
      },
      // With `replaceOnChanges`, newer bridged plugins delete before they create, and also delete what depends on it. Signing
      // again needs neither: the former certificate stays valid until the Secret contains its successor.
      pulumi.mergeOptions(opts, { replaceOnChanges: ["ttl", "csr"], deleteBeforeReplace: false }),
    );
    // `caChains` begins with the CA that signed. In some versions, it is empty if the mount's CA is a root.
    const caChain = pulumi
      .all([signed.caChains, ofCreated(signed, signed.issuingCa), args.trustAnchors ?? ""])
      .apply(([chain, issuing, anchors]) => [...(chain?.length ? chain : [issuing]), anchors].join("\n"));
    if (opts.parent) {
      const setting = `issuer.${use}`;
      warnOfRole(signing, { setting, use, key: keyWithDefaults(args.key), validity }, names, opts.parent);
      warnOfExpiry(signing, { setting, validity, renewBefore }, caChain, opts.parent);
    }
    return { certificate: ofCreated(signed, signed.certificate), privateKey: key.privateKeyPem, caChain };
  };
}

/** A request to a role. */
export interface SigningRequest {
  /** The setting of the issuer, e.g. `issuer.server`. */
  setting: string;
  use: CertificateUse;
  key: Required<CertificateKey>;
  ipAddresses: readonly string[];
  /** Hours. */
  validity: number;
}

/** The fields of a role that are checked, with Vault's names. */
export interface RoleSettings {
  key_type?: string;
  key_bits?: number;
  allow_ip_sans?: boolean;
  /** Name or ID of the issuer that the role signs with. */
  issuer_ref?: string;
  /** Seconds; 0 for the mount's. */
  max_ttl?: number;
  server_flag?: boolean;
  client_flag?: boolean;
}

const KEY_TYPES: Record<CertificateKey["algorithm"], string> = { ECDSA: "ec", RSA: "rsa" };
const HOUR = 3_600;

/** Warnings about everything that the role would refuse or change in a request. Pure. */
export function roleWarnings({ mount, role }: KnownPkiRole, settings: RoleSettings, request: SigningRequest): string[] {
  const { setting, key, use } = request;
  const subject = `${setting}: the role ${role} of ${mount} in Vault`;
  const { key_type: type = "any", key_bits: bits = 0, max_ttl: seconds = 0 } = settings;
  const requested = `${key.algorithm} of ${key.size} bits`;
  const isOtherType = type !== "any" && type !== KEY_TYPES[key.algorithm];
  return [
    ...(isOtherType
      ? [
          `${subject} signs only keys of the type ${type}, but the certificates' keys are ${requested}, so it will refuse them. ${
            type === "rsa" ? `Set issuer.key: { algorithm: RSA, size: ${bits || 2_048} }` : "Set another issuer.key"
          }, or key_type=any on the role.`,
        ]
      : []),
    ...(!isOtherType && key.size < bits && type !== "any"
      ? [
          `${subject} signs only keys of ${bits} bits and more, but the certificates' keys are ${requested}, so it will refuse them. Set issuer.key.size: ${bits}, or lower key_bits on the role.`,
        ]
      : []),
    ...(request.ipAddresses.length > 0 && settings.allow_ip_sans === false
      ? [
          `${subject} allows no IP addresses, but serverAltNames has ${request.ipAddresses.join(", ")}, so it will refuse to sign. Set allow_ip_sans=true on the role, or write DNS names.`,
        ]
      : []),
    ...(seconds > 0 && seconds < request.validity * HOUR * 0.98
      ? [
          `${subject} signs for ${Math.floor(seconds / HOUR)} h at most, but issuer.validity is ${request.validity} h. Raise max_ttl on the role, or lower issuer.validity.`,
        ]
      : []),
    ...(settings[`${use}_flag`] === false
      ? [`${subject} signs certificates that are not for ${use}s. Set ${use}_flag=true on the role.`]
      : []),
  ];
}

/** Answers by provider, because all databases of a program read the same roles. */
const known = new WeakMap<object, Map<string, Promise<string | undefined>>>();

/** The settings of a role. Undefined if they cannot be read, for any reason. */
async function readRole({ mount, role }: KnownPkiRole, opts: pulumi.InvokeOptions): Promise<RoleSettings | undefined> {
  const answer = await read(`${mount}/roles/${role}`, opts);
  return answer === undefined ? undefined : (JSON.parse(answer) as RoleSettings);
}

/** PEM of the CA that a role signs with, and of the CAs above it. Undefined if it cannot be read. */
async function readSigningCa(role: KnownPkiRole, opts: pulumi.InvokeOptions): Promise<string | undefined> {
  const settings = await readRole(role, opts);
  const issuer = settings?.issuer_ref ?? role.issuer ?? DEFAULT_ISSUER;
  const answer = await read(`${role.mount}/issuer/${issuer}/json`, opts);
  const chain = answer === undefined ? [] : chainOf(answer);
  return chain.length > 0 ? chain.join("\n") : undefined;
}

function read(path: string, { parent, provider }: pulumi.InvokeOptions): Promise<string | undefined> {
  const reader = provider ?? parent?.getProvider("vault:generic/getSecret:getSecret") ?? parent;
  const byPath = (reader && known.get(reader)) ?? new Map<string, Promise<string | undefined>>();
  if (reader) known.set(reader, byPath);
  const answer =
    byPath.get(path) ??
    vault.generic.getSecret({ path }, { parent, provider }).then(
      ({ dataJson }) => dataJson,
      () => undefined,
    );
  byPath.set(path, answer);
  return answer;
}

/**
 * Reads the CA's certificate and the CAs above it, as far as the mount has them. Vault returns them to everybody. But Vault's
 * provider first reads the kind of the mount, and this needs any right in the mount, e.g. the right to sign.
 *
 * @param setting the setting of the CA, e.g. `issuer.client`
 * @param anchors PEM of the CAs above those in the mount
 * @returns a source for the bundle; fails with a SettingsError if Vault does not return the CA
 */
function vaultAuthority(
  setting: string,
  role: VaultPkiRole,
  anchors: pulumi.Input<string>,
  opts: pulumi.InvokeOptions,
): pulumi.Output<PemSource> {
  return pulumi.output(role).apply((known) => readAuthority(setting, known, anchors, opts));
}

function readAuthority(
  setting: string,
  { mount, issuer = DEFAULT_ISSUER }: KnownPkiRole,
  anchors: pulumi.Input<string>,
  { parent, provider }: pulumi.InvokeOptions,
): pulumi.Output<PemSource> {
  const path = `${mount}/issuer/${issuer}/json`;
  const read = vault.generic.getSecret({ path }, { parent, provider }).then(
    ({ dataJson }) => chainOf(dataJson),
    (error: Error) => {
      throw unreadable(setting, mount, `could not be read at ${path} (${error.message.trim().replace(/\s+/g, " ")})`);
    },
  );
  return pulumi.all([read, anchors]).apply(([chain, above]) => {
    if (chain.length === 0) throw unreadable(setting, mount, `is missing in Vault's answer at ${path}`);
    return { name: `the CA of Vault's mount ${mount}`, pem: [...chain, above].join("\n"), optional: true };
  });
}

/** PEM of an issuer and of the CAs above it, from Vault's answer. */
export function chainOf(answer: string): string[] {
  const { ca_chain: chain, certificate } = JSON.parse(answer) as { ca_chain?: string[]; certificate?: string };
  return [...(chain?.length ? chain : [certificate ?? ""])].filter((pem) => pem.trim() !== "");
}

function unreadable(setting: string, mount: string, problem: string): SettingsError {
  const fix = "Check mount and issuer, and that the policy of the stack's Vault login has any right in the mount.";
  return new SettingsError([{ setting, problem: `the CA of ${mount}, which must be trusted, ${problem}`, fix }]);
}
