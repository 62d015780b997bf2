/** Reads the parts of the client-CA bundle from the sources in the settings. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { ofCreated } from "../known-outputs";
import { SettingsError } from "../problems";
import { TeleportCertAuthority } from "../teleport/ca/cert-authority";
import type { PemSource } from "./ca-bundle";
import {
  CaSource,
  caSourceResource,
  DEFAULT_CA_KEY,
  DEFAULT_CA_SOURCES,
  KubernetesCaSource,
  kindOf,
  ProxyCaSource,
  publicPart,
  TeleportCaSource,
  VaultCaSource,
  valueAt,
} from "./ca-source";

/** Values for what a source of one Teleport cluster does not set. */
export interface CaSourceDefaults {
  /** `host:port` of Teleport's proxy. */
  proxy: pulumi.Input<string>;
  /** Name of the set of credentials. */
  credentials?: string;
  /** The Cluster's namespace. */
  namespace: pulumi.Input<string>;
}

/**
 * The CAs of the sources of one Teleport cluster, as parts of the bundle. None of them is secret.
 *
 * @param name of the resources. With several Teleport clusters, the credentials are added to it
 * @param sources checked by checkCaSources; default: Teleport itself
 * @param opts `parent`, whose providers are used: `vault` for a Vault, `kubernetes` for a Secret or ConfigMap
 */
export function caSources(
  name: string,
  sources: readonly CaSource[] = DEFAULT_CA_SOURCES,
  defaults: CaSourceDefaults,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<PemSource[]> {
  const parts = sources.map((source): pulumi.Output<PemSource[]> => {
    switch (source.from) {
      case "teleport":
      case "proxy":
        return ofTeleport(caSourceResource(source, name, defaults.credentials), source, defaults, opts);
      case "vault":
        return ofVault(source, opts);
      case "secret":
      case "configMap":
        return ofKubernetes(caSourceResource(source, name, defaults.credentials), source, defaults.namespace, opts);
      case "pem":
        return publicParts(source.pem, "the inline PEM of the client CAs");
    }
  });
  return pulumi.all(parts).apply((found) => found.flat());
}

function ofTeleport(
  resource: string,
  source: TeleportCaSource | ProxyCaSource,
  { proxy, credentials }: CaSourceDefaults,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<PemSource[]> {
  const isPublic = source.from === "proxy";
  const authority = isPublic
    ? new TeleportCertAuthority(
        resource,
        { teleport: pulumi.output({ proxy: source.proxy ?? proxy }), source: "proxy", caFile: source.caFile },
        opts,
      )
    : new TeleportCertAuthority(resource, { teleport: pulumi.output({ proxy, credentials }) }, opts);
  const shownBy = isPublic ? pulumi.interpolate` (shown by ${source.proxy ?? proxy})` : "";
  return pulumi
    .all([ofCreated(authority, authority.certificates), authority.cluster, shownBy])
    .apply(([certificates, cluster, by]) => [
      { name: `the database CA of the Teleport cluster ${cluster}${by}`, pem: certificates.join("\n") },
    ]);
}

function ofVault(
  { path, key = DEFAULT_CA_KEY }: VaultCaSource,
  opts: pulumi.InvokeOptions,
): pulumi.Output<PemSource[]> {
  const { parent, provider } = opts;
  const found = vault.generic.getSecret({ path }, { parent, provider }).catch((error: Error) => {
    throw new SettingsError([
      {
        setting: `the client CA in Vault at ${path}`,
        problem: `could not be read (${error.message.trim().replace(/\s+/g, " ")})`,
        fix: "Check the path, and that the policy of the stack's Vault provider allows reading it.",
      },
    ]);
  });
  const text = pulumi.secret(found).apply(({ data }) => valueAt(`the client CA in Vault at ${path}`, data, key));
  return publicParts(text, `the client CA in Vault at ${path}, key ${key}`);
}

/**
 * Pulumi reads the object in every preview and `up`. If it does not exist, Pulumi fails and shows the name of this
 * resource, so the name describes the source. In the state, the data of a Secret is encrypted, and so are its
 * annotations, because `kubectl apply` repeats the data there.
 */
function ofKubernetes(
  resource: string,
  source: KubernetesCaSource,
  clusterNamespace: pulumi.Input<string>,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<PemSource[]> {
  const { name, key = DEFAULT_CA_KEY, from } = source;
  const namespace = pulumi.output(source.namespace ?? clusterNamespace);
  const id = pulumi.interpolate`${namespace}/${name}`;
  const place = pulumi.interpolate`the client CA in ${kindOf(source)} ${id}`;
  const data: pulumi.Output<Record<string, string>> =
    from === "secret"
      ? pulumi.secret(k8s.core.v1.Secret.get(resource, id, { ...opts, additionalSecretOutputs: ["metadata"] }).data)
      : k8s.core.v1.ConfigMap.get(resource, id, opts).data;
  const text = pulumi.all([place, data]).apply(([where, values]) => {
    const value = valueAt(where, values, key);
    return from === "secret" ? Buffer.from(value, "base64").toString("utf8") : value;
  });
  return publicParts(text, pulumi.interpolate`${place}, key ${key}`);
}

/**
 * The certificates in a value. CAs are public, so they must not make the bundle, the Cluster and the outputs secret. The
 * secret mark is removed after the check that nothing else is taken from the value.
 */
function publicParts(text: pulumi.Input<string>, name: pulumi.Input<string>): pulumi.Output<PemSource[]> {
  return pulumi.unsecret(pulumi.all([name, text]).apply(([from, pem]) => [publicPart(from, pem)]));
}
