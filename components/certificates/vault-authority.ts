/** A CA in a Vault mount that is trusted but does not sign, before or after its turn in a rotation. */
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { SettingsError } from "../problems";
import type { PemSource } from "./ca-bundle";
import { DEFAULT_ISSUER, KnownPkiRole, VaultPkiRole } from "./issuer";

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
