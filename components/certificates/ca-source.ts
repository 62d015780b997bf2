/**
 * Where the parts of the client-CA bundle come from that are not the Cluster's own: settings, and what a value has to
 * be before it counts as public. That it is a CA and valid is checked for all of them alike, by mergeCaBundle. Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import { refuse, SettingProblem } from "../problems";
import type { PemSource } from "./ca-bundle";
import { readPem, toPem } from "./pem";

/** One source of CAs whose client certificates a Cluster accepts. */
export type CaSource = TeleportCaSource | ProxyCaSource | VaultCaSource | KubernetesCaSource | PemCaSource;

/**
 * Teleport itself, by `tctl` with the program's identity, which needs `list` and `readnosecrets` on cert_authority.
 * In every version it shows both CAs during a rotation, so no login is refused. With `list` and `read` on
 * cert_authority_override, it also shows certificates that override the CA (Enterprise, 18 and newer).
 */
export interface TeleportCaSource {
  from: "teleport";
}

/**
 * The public endpoint of Teleport's proxy, `/webapi/auth/export?type=db-client` (`type=db` before Teleport 15). Needs
 * no identity. Releases since February 2026 (18 and newer) show both CAs during a rotation. **Older releases show only
 * one CA, also during a rotation**: the new one from the phase `update_clients` on (measured with 13.3.8). Logins are then
 * refused until the next `up`; to avoid that, use `from: teleport` during a rotation. Overrides of the CA are not shown.
 * The answer is only as trustworthy as the TLS connection to the proxy.
 */
export interface ProxyCaSource {
  from: "proxy";
  /** `host:port` of the proxy. Default: `teleport.proxy`. */
  proxy?: string;
  /**
   * Path of a PEM file, as seen from the project's folder, with the CAs that the proxy's certificate may be signed by,
   * and no others. Default: those of the system, of SSL_CERT_FILE and of SSL_CERT_DIR.
   */
  caFile?: string;
}

/** A secret of Vault's key-value engine, version 1 or 2, read with the stack's Vault provider. */
export interface VaultCaSource {
  from: "vault";
  /** `<mount>/<path>`, without the `data/` of version 2, e.g. `secret/teleport-db-ca`. */
  path: string;
  /** Key of the secret whose value is the PEM. Default: `ca.crt`. */
  key?: string;
}

/**
 * A Secret or ConfigMap that exists, as external-secrets, trust-manager or cert-manager write it. It has to be there
 * before `up`; what it holds then is what counts until the next `up`.
 */
export interface KubernetesCaSource {
  /** What it is. */
  from: "secret" | "configMap";
  /** Name of the Secret or ConfigMap. */
  name: string;
  /** Default: the Cluster's namespace. */
  namespace?: string;
  /** Key of its `data` whose value is the PEM. Default: `ca.crt`. */
  key?: string;
}

/** PEM as it is. */
export interface PemCaSource {
  from: "pem";
  /** One CA certificate or several. */
  pem: pulumi.Input<string>;
}

export const DEFAULT_CA_KEY = "ca.crt";

const HOST_PORT = /^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})$/;
/** RFC 1123, as Kubernetes names Secrets and ConfigMaps. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/** All that is wrong with a source; `path` is the setting's name, e.g. `teleport.clientCas[0]`. */
export function checkCaSource(path: string, source: CaSource): SettingProblem[] {
  const wrong = (setting: string, value: unknown, problem: string, fix: string): SettingProblem[] => [
    { setting: `${path}.${setting}`, value, problem, fix },
  ];
  switch (source.from) {
    case "teleport":
      return [];
    case "proxy": {
      const { proxy, caFile } = source;
      const port = Number(HOST_PORT.exec(proxy ?? "teleport:443")?.[2] ?? NaN);
      return [
        ...(port > 0 && port < 65_536
          ? []
          : wrong(
              "proxy",
              proxy,
              "is no address of a Teleport proxy",
              "Write host:port without a scheme, e.g. teleport.example.com:443.",
            )),
        ...(caFile === "" ? wrong("caFile", caFile, "is empty", "Name a file, or leave it out.") : []),
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
              "is no path of a secret in Vault",
              "Write <mount>/<path>, e.g. secret/teleport-db-ca, and the key apart.",
            )),
        ...(key === "" ? wrong("key", key, "is empty", `Name a key, or leave it out for ${DEFAULT_CA_KEY}.`) : []),
      ];
    }
    case "secret":
    case "configMap": {
      const { name, namespace, key = DEFAULT_CA_KEY } = source;
      const isName = (text: string) => text.length <= 253 && OBJECT_NAME.test(text);
      const inKubernetes = "Write it as Kubernetes shows it: lower case letters, digits, - and dots.";
      return [
        ...(isName(name) ? [] : wrong("name", name, `is no name of a ${kindOf(source)}`, inKubernetes)),
        ...(namespace === undefined || isName(namespace)
          ? []
          : wrong("namespace", namespace, "is no name of a namespace", inKubernetes)),
        ...(DATA_KEY.test(key)
          ? []
          : wrong("key", key, `is no key of a ${kindOf(source)}`, `Name a key of its data, e.g. ${DEFAULT_CA_KEY}.`)),
      ];
    }
    case "pem":
      return typeof source.pem === "string" ? checkPem(`${path}.pem`, source.pem) : [];
    default:
      return wrong(
        "from",
        (source as { from?: unknown }).from,
        "is no source of CAs",
        "Use teleport, proxy, vault, secret, configMap or pem.",
      );
  }
}

/** All that is wrong with the sources of one Teleport cluster. */
export function checkCaSources(path: string, sources: readonly CaSource[]): SettingProblem[] {
  const known = new Set<string>();
  return sources.flatMap((source, index) => {
    const setting = `${path}[${index}]`;
    if (source.from === "pem") return checkCaSource(setting, source); // may be computed, and twice the same harms nobody
    const told = JSON.stringify(source);
    const isTwice = known.has(told);
    known.add(told);
    const twice = { setting, value: source, problem: "is there twice", fix: "Remove one of the two." };
    return isTwice ? [twice] : checkCaSource(setting, source);
  });
}

/** `Secret` or `ConfigMap`. */
export function kindOf({ from }: KubernetesCaSource): "Secret" | "ConfigMap" {
  return from === "secret" ? "Secret" : "ConfigMap";
}

function checkPem(setting: string, text: string): SettingProblem[] {
  // Nothing of the text is shown: what lies in a Secret or in Vault under a key that was named by mistake may be a password.
  return readPem(text).problems.map((found) => ({ setting, ...found }));
}

/**
 * A value that came out of a place for secrets, as a part of the bundle: its certificates and nothing of the text around.
 *
 * @throws SettingsError if it holds no certificate, or a key, or looks cut off. The message shows nothing of it.
 */
export function publicPart(name: string, text: string): PemSource {
  refuse(checkPem(name, text));
  return { name, pem: toPem(readPem(text).certificates) };
}

/**
 * The value of a key, of a place whose other keys may be named but not shown.
 *
 * @throws SettingsError naming the place and the key
 */
export function valueAt(place: string, values: Record<string, string> | undefined, key: string): string {
  const value = values?.[key];
  if (value) return value;
  const keys = Object.keys(values ?? {}).join(", ") || "none";
  const problem = value === undefined ? `has no key ${key}` : `has nothing in the key ${key}`;
  refuse([{ setting: place, problem, fix: `Name one of its keys (${keys}), or write the CA there.` }]);
  return "";
}
