/** Checks `spec` for fields that would override settings, make `up` wait for ever, or do harm. Pure. */
import { SettingProblem } from "../problems";
import type { ClusterSettings } from "./cluster-spec";
import { checkLdap } from "./ldap";
import { checkServices, ServiceContext } from "./services";
import { valueAt } from "./spec-fields";
import { checkSpecValues } from "./spec-values";
import { isObject, wrong } from "../value-check";

/** What else the checks depend on. */
export interface SpecContext extends ServiceContext {
  /** Roles that log in by certificate. They are managed roles of CloudNativePG. */
  users?: readonly unknown[];
}

/** Fields for which there is a setting that the rest of the program reads, and the fix. */
const SETTINGS: readonly [field: string, fix: string][] = [
  ["instances", "Use instances."],
  ["imageName", "Use image."],
  ["imageCatalogRef", "Use imageCatalog."],
  ["storage", "Use storage."],
  ["walStorage", "Use walStorage."],
  ["tablespaces", "Use tablespaces."],
  ["certificates.serverAltDNSNames", "Use serverAltNames."],
  ["certificates.serverTLSSecret", "Use issuer, which issues the certificates."],
  ["certificates.serverCASecret", "Use issuer, which issues the certificates."],
  ["certificates.replicationTLSSecret", "Use issuer, which issues the certificates."],
  ["certificates.clientCASecret", "Use issuer, and teleport.clientCas for further CAs."],
  ["postgresql.pg_hba", "Use pgHba. Its rules come after the rules for Teleport's users."],
  ["bootstrap.initdb.database", "Use initdb.database."],
  ["bootstrap.initdb.owner", "Use initdb.owner."],
  ["bootstrap.initdb.secret", "Use initdb.ownerSecret."],
];

/** Lists of `spec` that replace the list of a setting. */
const LISTS: readonly [field: string, setting: string, of: (settings: ClusterSettings) => unknown][] = [
  ["postgresql.pg_ident", "pgIdent", ({ pgIdent }) => pgIdent],
  ["postgresql.shared_preload_libraries", "sharedPreloadLibraries", ({ sharedPreloadLibraries: all }) => all],
];

/** Objects that the program always writes. */
const OBJECTS = ["certificates", "bootstrap", "bootstrap.initdb", "postgresql", "postgresql.parameters", "managed"];

export function checkSpec(setting: string, settings: ClusterSettings, context: SpecContext = {}): SettingProblem[] {
  const { spec = {} } = settings;
  const at = (field: string) => `${setting}.${field}`;
  const has = (field: string) => valueAt(spec, field) !== undefined;
  const { users = [] } = context;
  return [
    ...OBJECTS.filter(
      (field) => has(field) && !isObject(valueAt(spec, field)) && !isOtherBootstrap(spec, field),
    ).flatMap((field) =>
      wrong(
        at(field),
        valueAt(spec, field),
        "must be a mapping; another value would replace what the program writes here",
        "Write a mapping, or remove it.",
      ),
    ),
    ...SETTINGS.filter(([field]) => has(field)).flatMap(([field, fix]) =>
      wrong(at(field), undefined, "would replace what the program writes here", fix),
    ),
    ...(users.length > 0 && has("managed.roles")
      ? wrong(
          at("managed.roles"),
          undefined,
          "would replace the roles of users",
          "Use users; create other roles with SQL.",
        )
      : []),
    ...LISTS.filter(([field, , of]) => has(field) && of(settings) !== undefined).flatMap(([field, name]) =>
      wrong(at(field), undefined, `would replace the list of ${name}`, `Use only ${name}.`),
    ),
    ...checkSpecValues(at, spec),
    ...checkLdap(at, spec),
    ...checkServices(at, spec, context),
  ];
}

/** Whether initdb is removed because another bootstrap method is used. */
function isOtherBootstrap(spec: Record<string, unknown>, field: string): boolean {
  const others = ["bootstrap.recovery", "bootstrap.pg_basebackup"];
  return (
    field === "bootstrap.initdb" &&
    valueAt(spec, field) === null &&
    others.some((other) => valueAt(spec, other) !== undefined)
  );
}
