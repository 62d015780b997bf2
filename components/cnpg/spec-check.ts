/** Checks of `spec`: what would take away what is set here, be waited for in vain, or do harm. Pure. */
import { SettingProblem } from "../problems";
import type { ClusterSettings } from "./cluster-spec";
import { checkLdap } from "./ldap";
import { checkServices, ServiceContext } from "./services";
import { valueAt } from "./spec-fields";
import { checkSpecValues } from "./spec-values";
import { isObject, wrong } from "../value-check";

/** What else decides whether `spec` is right. */
export interface SpecContext extends ServiceContext {
  /** Roles that log in by certificate: they are CloudNativePG's managed roles. */
  users?: readonly unknown[];
}

/** Fields that have a setting, which the rest of the program goes by, and what to use. */
const SETTINGS: readonly [field: string, fix: string][] = [
  ["instances", "Use instances."],
  ["imageName", "Use image."],
  ["imageCatalogRef", "Use imageCatalog."],
  ["storage", "Use storage."],
  ["walStorage", "Use walStorage."],
  ["tablespaces", "Use tablespaces."],
  ["certificates.serverAltDNSNames", "Use serverAltNames."],
  ["certificates.serverTLSSecret", "Use issuer: the certificates are made by it."],
  ["certificates.serverCASecret", "Use issuer: the certificates are made by it."],
  ["certificates.replicationTLSSecret", "Use issuer: the certificates are made by it."],
  ["certificates.clientCASecret", "Use issuer, and teleport.clientCas for further CAs."],
  ["postgresql.pg_hba", "Use pgHba: these rules stand after those that let Teleport's users in."],
  ["bootstrap.initdb.database", "Use initdb.database."],
  ["bootstrap.initdb.owner", "Use initdb.owner."],
  ["bootstrap.initdb.secret", "Use initdb.ownerSecret."],
];

/** Lists of `spec` that replace the list of a setting, by the setting. */
const LISTS: readonly [field: string, setting: string, of: (settings: ClusterSettings) => unknown][] = [
  ["postgresql.pg_ident", "pgIdent", ({ pgIdent }) => pgIdent],
  ["postgresql.shared_preload_libraries", "sharedPreloadLibraries", ({ sharedPreloadLibraries: all }) => all],
];

/** Objects that are written in any case. */
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
      wrong(at(field), valueAt(spec, field), "must be a mapping: it would replace what is set here", "Remove it."),
    ),
    ...SETTINGS.filter(([field]) => has(field)).flatMap(([field, fix]) =>
      wrong(at(field), undefined, "would replace what the program sets here", fix),
    ),
    ...(users.length > 0 && has("managed.roles")
      ? wrong(
          at("managed.roles"),
          undefined,
          "would replace the roles that people log in as",
          "Use users; create other roles with SQL.",
        )
      : []),
    ...LISTS.filter(([field, , of]) => has(field) && of(settings) !== undefined).flatMap(([field, name]) =>
      wrong(at(field), undefined, `would replace the list of ${name}`, `Use ${name} alone.`),
    ),
    ...checkSpecValues(at, spec),
    ...checkLdap(at, spec),
    ...checkServices(at, spec, context),
  ];
}

/** Another way to bootstrap needs initdb to be taken away. */
function isOtherBootstrap(spec: Record<string, unknown>, field: string): boolean {
  const others = ["bootstrap.recovery", "bootstrap.pg_basebackup"];
  return (
    field === "bootstrap.initdb" &&
    valueAt(spec, field) === null &&
    others.some((other) => valueAt(spec, other) !== undefined)
  );
}
