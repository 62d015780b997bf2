/** The CA of a mount of Vault that signs nothing here, or nothing any more, and is trusted. */
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { SettingsError } from "../problems";
import type { PemSource } from "./ca-bundle";
import { DEFAULT_ISSUER, KnownPkiRole, VaultPkiRole } from "./issuer";

/**
 * Reads the CA's certificate and those above it, as far as the mount knows them. Vault gives them to everybody; its
 * provider asks first of which kind the mount is, for which any right in the mount is enough, that to sign for example.
 *
 * @param setting whose CA it is, e.g. `issuer.client`
 * @param anchors PEM of the CAs above those that the mount knows
 * @returns a source for the bundle; fails with a SettingsError if Vault does not give it
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
    if (chain.length === 0) throw unreadable(setting, mount, `is not in what Vault has at ${path}`);
    return { name: `the CA of Vault's mount ${mount}`, pem: [...chain, above].join("\n"), optional: true };
  });
}

/** PEM of an issuer and of those above it, from Vault's answer. */
export function chainOf(answer: string): string[] {
  const { ca_chain: chain, certificate } = JSON.parse(answer) as { ca_chain?: string[]; certificate?: string };
  return [...(chain?.length ? chain : [certificate ?? ""])].filter((pem) => pem.trim() !== "");
}

function unreadable(setting: string, mount: string, problem: string): SettingsError {
  const fix = "Check mount and issuer, and that the policy of the stack's Vault login has any right in the mount.";
  return new SettingsError([{ setting, problem: `the CA of ${mount}, which is to be trusted, ${problem}`, fix }]);
}
