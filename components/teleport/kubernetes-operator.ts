/**
 * Registration by Teleport's Kubernetes operator: a custom resource instead of this program's own registration, for
 * clusters that run the operator. The operator keeps the database in Teleport as the custom resource declares it. It
 * refuses a database that exists already and does not belong to it. Pure.
 */
import { createHash } from "node:crypto";
import { checkTeleportName, checkLabels } from "./names";
import { refuse, SettingProblem } from "../problems";
import type { DatabaseSettings } from "./resources/database";
import { databaseSpec } from "./resources/database";
import { OWNER_LABEL } from "../owner-label";

/** A complete Kubernetes object. */
export interface TeleportDatabaseManifest {
  apiVersion: "resources.teleport.dev/v1";
  kind: "TeleportDatabaseV3";
  metadata: { name: string; namespace: string; labels: Record<string, string>; annotations?: Record<string, string> };
  spec: Record<string, unknown>;
}

export interface OperatorDatabaseSettings extends DatabaseSettings {
  /** Namespace that the operator watches, which is its own. */
  namespace: string;
  /** Owner: the resource and its stack, `<organization>/<project>/<stack>/<resource>`. */
  owner: string;
}

/** Kubernetes' rules for labels. The operator copies the labels of the custom resource to Teleport. */
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?$/;
const MAX_LABEL = 63;
/** The TLS modes in the operator's schema. */
const TLS_MODES: Record<string, number> = { "verify-full": 0, "verify-ca": 1 };

/**
 * The custom resource `TeleportDatabaseV3` of `resources.teleport.dev/v1`.
 *
 * @throws SettingsError with every problem found
 */
export function operatorDatabase(settings: OperatorDatabaseSettings): TeleportDatabaseManifest {
  refuse(checkOperatorDatabase("", settings));
  const { name, namespace, owner, description, labels = {} } = settings;
  const { tls, ...spec } = databaseSpec(settings);
  const { mode, ...verification } = tls as Record<string, unknown>;
  const set = Object.entries(verification).filter(([, value]) => value !== "");
  return {
    apiVersion: "resources.teleport.dev/v1",
    kind: "TeleportDatabaseV3",
    metadata: {
      name,
      namespace,
      labels: { ...labels, "app.kubernetes.io/managed-by": "pulumi", [OWNER_LABEL]: ownerValue(owner) },
      ...(description ? { annotations: { description } } : {}), // the operator reads the description here
    },
    spec: { ...spec, tls: { mode: TLS_MODES[String(mode)] ?? 0, ...Object.fromEntries(set) } },
  };
}

/** Returns every problem of the settings. `path` is the prefix of each setting's name. */
export function checkOperatorDatabase(path: string, settings: OperatorDatabaseSettings): SettingProblem[] {
  const at = (setting: string) => (path ? `${path}.${setting}` : setting);
  const { labels = {}, dynamicLabels = {} } = settings;
  return [
    ...checkTeleportName(at("name"), settings.name),
    ...checkLabels(at("labels"), labels),
    ...Object.entries(labels)
      .filter(([key, value]) => !LABEL_KEY.test(key) || !LABEL_VALUE.test(String(value)))
      .map(([key, value]) => ({
        setting: at(`labels ${key}`),
        value,
        problem: "is not a valid label of a Kubernetes object, from which the operator copies it",
        fix: "Use at most 63 letters, digits and the characters - _ . in key and value.",
      })),
    ...(Object.keys(dynamicLabels).length === 0
      ? []
      : [
          {
            setting: at("dynamicLabels"),
            problem: "is not supported by the operator, whose schema has a single key and value instead of labels",
            fix: "Remove the setting, or register the database by TeleportDatabase.",
          },
        ]),
  ];
}

/**
 * The owner as a valid value of a Kubernetes label. If characters must be replaced or cut, a hash keeps owners
 * distinct.
 */
function ownerValue(owner: string): string {
  const plain = owner.replaceAll("/", ".");
  if (LABEL_VALUE.test(plain)) return plain;
  const hash = createHash("sha256").update(owner).digest("hex").slice(0, 8);
  const kept = plain.replace(/[^-_.A-Za-z0-9]/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return `${kept.slice(0, MAX_LABEL - hash.length - 1)}-${hash}`;
}
