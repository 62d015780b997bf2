/**
 * What is read from Vault's PKI: the CA of a mount that is trusted but does not sign, before or after its turn in a
 * rotation; and the role that signs, to predict in a preview what Vault would refuse in a request, with the names of
 * the settings. Vault's own refusal comes from Pulumi's plugin, in Vault's words, and only when the first certificate
 * is signed. If the policy does not allow reading the role, there is no warning.
 */
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { CertificateKey, CertificateUse, DEFAULT_ISSUER, KnownPkiRole, VaultPkiRole } from "./issuer";
import { SettingsError } from "../problems";
import type { PemSource } from "./ca-bundle";

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
export async function readRole(
  { mount, role }: KnownPkiRole,
  opts: pulumi.InvokeOptions,
): Promise<RoleSettings | undefined> {
  const answer = await read(`${mount}/roles/${role}`, opts);
  return answer === undefined ? undefined : (JSON.parse(answer) as RoleSettings);
}

/** PEM of the CA that a role signs with, and of the CAs above it. Undefined if it cannot be read. */
export async function readSigningCa(role: KnownPkiRole, opts: pulumi.InvokeOptions): Promise<string | undefined> {
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
export function vaultAuthority(
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
