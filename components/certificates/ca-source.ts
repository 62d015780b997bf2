/**
 * The sources of the client-CA bundle, besides the Cluster's own CA: their settings, and the check before a value counts as
 * public. mergeCaBundle then checks for all sources that the certificates are valid CAs. Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import { refuse, SettingProblem } from "../problems";
import { checkNamespace } from "../kubernetes/names";
import { checkProxyAddress } from "../teleport/names";
import type { PemSource } from "./ca-bundle";
import { readPem, toPem } from "./pem";

/** A source of CAs whose client certificates a Cluster accepts. */
export type CaSource = TeleportCaSource | ProxyCaSource | VaultCaSource | KubernetesCaSource | PemCaSource;

/**
 * Teleport itself, through `tctl` with the program's identity, which needs `list` and `readnosecrets` on cert_authority.
 * In every version it shows both CAs during a rotation, so no login is refused. With `list` and `read` on
 * cert_authority_override, it also shows certificates that override the CA (Enterprise, 18 and newer).
 */
export interface TeleportCaSource {
  from: "teleport";
}

/**
 * The public endpoint of Teleport's proxy, `/webapi/auth/export?type=db-client` (`type=db` before Teleport 15). Needs
 * no identity. Releases since February 2026 (18 and newer) show both CAs during a rotation. **Older releases show only
 * one CA, even during a rotation**: the new one from the phase `update_clients` on (measured with 13.3.8). Logins are then
 * refused until the next `up`; to avoid that, use `from: teleport` during a rotation. Overrides of the CA are not shown.
 * The answer is only as trustworthy as the TLS connection to the proxy.
 */
export interface ProxyCaSource {
  from: "proxy";
  /** `host:port` of the proxy. Default: `teleport.proxy`. */
  proxy?: string;
  /**
   * Path of a PEM file, relative to the project's folder, with the CAs that may sign the proxy's certificate,
   * and no others. Default: the CAs of the system, of SSL_CERT_FILE and of SSL_CERT_DIR.
   */
  caFile?: string;
}

/** A secret of Vault's key-value engine, version 1 or 2, read with the stack's Vault provider. */
export interface VaultCaSource {
  from: "vault";
  /** `<mount>/<path>`, without the `data/` of version 2, e.g. `secret/teleport-db-ca`. */
  path: string;
  /** Key of the secret that contains the PEM. Default: `ca.crt`. */
  key?: string;
}

/**
 * An existing Secret or ConfigMap, e.g. from external-secrets, trust-manager or cert-manager. It must exist before `up`. The
 * content at that time is used until the next `up`.
 */
export interface KubernetesCaSource {
  /** The kind of object. */
  from: "secret" | "configMap";
  /** Name of the Secret or ConfigMap. */
  name: string;
  /** Namespace of the Secret or ConfigMap. Default: the Cluster's namespace. */
  namespace?: string;
  /** Key of its `data` that contains the PEM. Default: `ca.crt`. */
  key?: string;
}

/** Inline PEM. */
export interface PemCaSource {
  from: "pem";
  /** One CA certificate or several. */
  pem: pulumi.Input<string>;
}

export const DEFAULT_CA_KEY = "ca.crt";

/** The default sources of the CAs of a Teleport cluster. */
export const DEFAULT_CA_SOURCES: readonly CaSource[] = [{ from: "teleport" }];

/** The sources that a Pulumi resource reads. */
export type CaSourceWithResource = TeleportCaSource | ProxyCaSource | KubernetesCaSource;

/**
 * Name of the Pulumi resource that reads a source. The names are in the states of users: never change them.
 *
 * @param database the database that trusts the CAs
 * @param credentials `credentials` of the Teleport cluster, if there are several
 */
export function caSourceResource(
  source: CaSourceWithResource,
  database: string,
  credentials: string | undefined,
): string {
  const prefix = credentials === undefined ? database : `${database}@${credentials}`;
  switch (source.from) {
    case "teleport":
      return prefix;
    case "proxy":
      return source.proxy === undefined ? `${prefix}-public` : `${prefix}-public-${source.proxy.replace(/\W+/g, "-")}`;
    case "secret":
    case "configMap": {
      const described = [source.namespace, source.name, source.key].filter((part) => part !== undefined).join("-");
      return `${prefix}-client-ca-${kindOf(source).toLowerCase()}-${described}`;
    }
  }
}

/** RFC 1123, the rule for names of Secrets and ConfigMaps. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/** Returns every problem with a source. `path` is the setting's name, e.g. `teleport.clientCas[0]`. */
export function checkCaSource(path: string, source: CaSource): SettingProblem[] {
  const wrong = (setting: string, value: unknown, problem: string, fix: string): SettingProblem[] => [
    { setting: `${path}.${setting}`, value, problem, fix },
  ];
  switch (source.from) {
    case "teleport":
      return [];
    case "proxy": {
      const { proxy, caFile } = source;
      return [
        ...checkProxyAddress(`${path}.proxy`, proxy),
        ...(caFile === ""
          ? wrong("caFile", caFile, "must not be empty", "Write the path of a file, or leave it out.")
          : []),
      ];
    }
    case "vault": {
      const { path: secret, key } = source;
      return [
        ...(/^[^/#\s][^#]*\/[^#]*[^/#\s]$/.test(secret)
          ? []
          : wrong(
              "path",
              secret,
              "must be the path of a secret in Vault",
              "Write <mount>/<path>, e.g. secret/teleport-db-ca. Write the key in the setting key.",
            )),
        ...(key === ""
          ? wrong("key", key, "must not be empty", `Write a key, or leave it out for ${DEFAULT_CA_KEY}.`)
          : []),
      ];
    }
    case "secret":
    case "configMap": {
      const { name, namespace, key = DEFAULT_CA_KEY } = source;
      const isName = (text: string) => text.length <= 253 && OBJECT_NAME.test(text);
      const inKubernetes = "Write the name in Kubernetes: lower-case letters, digits, hyphens and dots.";
      return [
        ...(isName(name) ? [] : wrong("name", name, `is not a valid name of a ${kindOf(source)}`, inKubernetes)),
        ...checkNamespace(`${path}.namespace`, namespace),
        ...(DATA_KEY.test(key)
          ? []
          : wrong(
              "key",
              key,
              `is not a valid key of a ${kindOf(source)}`,
              `Write a key of its data, e.g. ${DEFAULT_CA_KEY}.`,
            )),
      ];
    }
    case "pem":
      return typeof source.pem === "string" ? checkPem(`${path}.pem`, source.pem) : [];
    default:
      return wrong(
        "from",
        (source as { from?: unknown }).from,
        "is not a source of CAs",
        "Use teleport, proxy, vault, secret, configMap or pem.",
      );
  }
}

/** Returns every problem with the sources of one Teleport cluster. */
export function checkCaSources(path: string, sources: readonly CaSource[]): SettingProblem[] {
  const known = new Set<string>();
  return sources.flatMap((source, index) => {
    const setting = `${path}[${index}]`;
    if (source.from === "pem") return checkCaSource(setting, source); // its value may be unknown here, and a repetition does no harm
    const text = JSON.stringify(source);
    const isRepeated = known.has(text);
    known.add(text);
    const repetition = { setting, value: source, problem: "is listed twice", fix: "Remove one of the two." };
    return isRepeated ? [repetition] : checkCaSource(setting, source);
  });
}

/** `Secret` or `ConfigMap`. */
export function kindOf({ from }: KubernetesCaSource): "Secret" | "ConfigMap" {
  return from === "secret" ? "Secret" : "ConfigMap";
}

function checkPem(setting: string, text: string): SettingProblem[] {
  // No part of the text is shown: with a wrong key, the value in the Secret or in Vault may be a password.
  return readPem(text).problems.map((found) => ({ setting, ...found }));
}

/**
 * Turns a value from a Secret, ConfigMap or Vault into a part of the bundle: only its certificates, without other text.
 *
 * @throws SettingsError if it has no certificate, contains a key, or looks cut off. The message shows no part of the value.
 */
export function publicPart(name: string, text: string): PemSource {
  refuse(checkPem(name, text));
  return { name, pem: toPem(readPem(text).certificates) };
}

/**
 * The value of a key. Messages may name the other keys of the place, but never show values.
 *
 * @throws SettingsError naming the place and the key
 */
export function valueAt(place: string, values: Record<string, string> | undefined, key: string): string {
  const value = values?.[key];
  if (value) return value;
  const keys = Object.keys(values ?? {}).join(", ") || "none";
  const problem = value === undefined ? `has no key ${key}` : `has an empty value in the key ${key}`;
  refuse([{ setting: place, problem, fix: `Set key to one of its keys (${keys}), or write the CA there.` }]);
  return "";
}
