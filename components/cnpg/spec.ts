/**
 * CloudNativePG's own fields, which a user writes under `spec`: how they are read, merged into the Cluster's spec, and
 * checked. They may contain any JSON. A value of the wrong type counts as absent here, because the operator refuses it.
 * Pure.
 */
import { SettingProblem } from "../problems";
import { checkAnnotations, checkKey, checkLabels, checkReservedKeys, checkObjectName } from "../kubernetes/names";
import { parseQuantity } from "../kubernetes/quantity";
import { isObject, checkOneOf, checkPlain, checkPort, checkUnique, checkWholeNumber, wrong } from "../value-check";

/** CloudNativePG's own fields, as a user writes them under `spec`. */
export type Spec = Readonly<Record<string, unknown>>;

/** The value of a field, e.g. `postgresql.ldap`. Undefined if there is none. */
export function valueAt(object: unknown, field: string): unknown {
  return field
    .split(".")
    .reduce<unknown>((value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined), object);
}

/**
 * The keys on the path to a field, in the API server's notation, e.g. `a.b[0].c`. Keys may contain dots. Undefined if the
 * field does not exist.
 */
export function keysTo(value: unknown, field: string): string[] | undefined {
  if (field === "") return [];
  if (Array.isArray(value)) {
    const [, index, rest = ""] = /^\[([0-9]+)\](.*)$/s.exec(field) ?? [];
    if (index === undefined || Number(index) >= value.length) return undefined;
    const below = keysTo(value[Number(index)], rest);
    return below && [index, ...below];
  }
  if (!isObject(value)) return undefined;
  const inside = field.replace(/^\./, "");
  for (const key of Object.keys(value)) {
    const rest = inside.slice(key.length);
    const below = inside.startsWith(key) && /^([.[]|$)/.test(rest) ? keysTo(value[key], rest) : undefined;
    if (below) return [key, ...below];
  }
  return undefined;
}

/** The string in a field. Undefined if there is none. */
export function stringAt(object: unknown, field: string): string | undefined {
  const value = valueAt(object, field);
  return typeof value === "string" ? value : undefined;
}

/** The number in a field. Undefined if there is none. */
function numberAt(object: unknown, field: string): number | undefined {
  const value = valueAt(object, field);
  return typeof value === "number" ? value : undefined;
}

/** The list in a field. Empty if there is none. */
export function listAt(object: unknown, field: string): readonly unknown[] {
  const value = valueAt(object, field);
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** The strings of the list in a field. */
export function stringsAt(object: unknown, field: string): string[] {
  return listAt(object, field).filter((value) => typeof value === "string");
}

/** The string values of the mapping in a field, e.g. labels. */
export function stringMapAt(object: unknown, field: string): Record<string, string> {
  const value = valueAt(object, field);
  const texts = Object.entries(isObject(value) ? value : {}).filter(([, text]) => typeof text === "string");
  return Object.fromEntries(texts) as Record<string, string>;
}

/** Whether a person must start the update of the primary. */
export function isSupervised(spec: Spec = {}): boolean {
  return stringAt(spec, "primaryUpdateStrategy") === "supervised";
}

/**
 * Merges what the user wrote under `spec` into a Cluster's spec. Objects are merged key by key. Other values are
 * replaced.
 */
export function mergeSpec(
  base: Record<string, unknown>,
  override: Record<string, unknown> = {},
): Record<string, unknown> {
  const merged = { ...base };
  for (const [key, value] of Object.entries(override)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? mergeSpec(below, value) : value;
  }
  return merged;
}

/** Returns the path of a field of `spec`, as the user writes it. */
export type At = (field: string) => string;

/**
 * Checks values of `spec` that CloudNativePG accepts, but that do harm or fail later, e.g. a pod that is never created. What
 * the operator itself refuses is not checked here: a preview asks the operator (operator-check.ts).
 */
export function checkSpec(at: At, spec: Spec): SettingProblem[] {
  const strategy = "primaryUpdateStrategy";
  return [
    ...checkPlain(at(strategy), valueAt(spec, strategy), "it decides what `up` waits for"),
    ...checkScheduling(at, spec),
    ...checkDelays(at, spec),
    ...checkProbe(at, spec, "startup"),
    ...checkProbe(at, spec, "liveness"),
    ...checkProbe(at, spec, "readiness"),
    ...checkSynchronous(at, spec),
    ...checkMetadata(at, spec, "inheritedMetadata"),
    ...checkMetadata(at, spec, "serviceAccountTemplate.metadata"),
    ...checkPullSecrets(at, spec),
    ...checkLdap(at, spec),
  ];
}

/** Checks a minimum. The operator refuses fractions. */
function checkLeast(at: At, spec: Spec, field: string, what: string, least = 0): SettingProblem[] {
  const value = numberAt(spec, field);
  return value !== undefined && value < least ? checkWholeNumber(at(field), value, what, least) : [];
}

function checkScheduling(at: At, spec: Spec): SettingProblem[] {
  const topologyKey = stringAt(spec, "affinity.topologyKey");
  return [
    ...(topologyKey === undefined ? [] : checkKey(at("affinity.topologyKey"), topologyKey)),
    ...checkLabels(at("affinity.nodeSelector"), stringMapAt(spec, "affinity.nodeSelector")),
    ...listAt(spec, "topologySpreadConstraints").flatMap((constraint, index) =>
      isObject(constraint)
        ? checkSpread((field) => at(`topologySpreadConstraints[${index}].${field}`), constraint)
        : [],
    ),
    ...checkObjectName(at("priorityClassName"), stringAt(spec, "priorityClassName"), "PriorityClass"),
  ];
}

function checkSpread(at: At, constraint: Spec): SettingProblem[] {
  const { labelSelector, minDomains } = constraint;
  const whenUnsatisfiable = stringAt(constraint, "whenUnsatisfiable");
  const topologyKey = stringAt(constraint, "topologyKey");
  const countsNoPods =
    labelSelector === undefined || (isObject(labelSelector) && Object.keys(labelSelector).length === 0);
  return [
    ...checkLeast(at, constraint, "maxSkew", "instances", 1),
    ...(topologyKey === undefined ? [] : checkKey(at("topologyKey"), topologyKey)),
    ...checkOneOf(at("whenUnsatisfiable"), whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"]),
    ...(countsNoPods
      ? wrong(
          at("labelSelector"),
          labelSelector,
          "must say which pods are counted",
          "Write {matchLabels: {cnpg.io/cluster: <name of the Cluster>}}.",
        )
      : []),
    ...checkLeast(at, constraint, "minDomains", "places", 1),
    ...(minDomains !== undefined && whenUnsatisfiable === "ScheduleAnyway"
      ? wrong(at("minDomains"), minDomains, "has no effect with whenUnsatisfiable: ScheduleAnyway", "Remove it.")
      : []),
  ];
}

/** CNPG's defaults. */
const STOP_DELAY = 1_800;
const SMART_SHUTDOWN = 180;
/** Seconds that a fast shutdown needs after the smart shutdown (CNPG's documentation, instance_manager.md). */
const FAST_SHUTDOWN = 15;

function checkDelays(at: At, spec: Spec): SettingProblem[] {
  const stopDelay = numberAt(spec, "stopDelay");
  const { stop, smart } = {
    stop: stopDelay ?? STOP_DELAY,
    smart: numberAt(spec, "smartShutdownTimeout") ?? SMART_SHUTDOWN,
  };
  return [
    ...checkLeast(at, spec, "startDelay", "seconds", 1),
    ...checkLeast(at, spec, "stopDelay", "seconds", 1),
    ...checkLeast(at, spec, "smartShutdownTimeout", "seconds"),
    ...checkLeast(at, spec, "switchoverDelay", "seconds", 1),
    ...checkLeast(at, spec, "failoverDelay", "seconds"),
    ...(stop >= 1 && smart >= 0 && stop - smart < FAST_SHUTDOWN
      ? wrong(
          at(stopDelay === undefined ? "smartShutdownTimeout" : "stopDelay"),
          stopDelay ?? smart,
          `leaves less than ${FAST_SHUTDOWN} s for PostgreSQL to stop after the smart shutdown of ${smart} s`,
          `Set stopDelay to at least smartShutdownTimeout plus ${FAST_SHUTDOWN}.`,
        )
      : []),
  ];
}

/** Kubernetes requires a successThreshold of 1 except for readiness, and forbids a grace period for a readiness probe. */
function checkProbe(at: At, spec: Spec, probe: "startup" | "liveness" | "readiness"): SettingProblem[] {
  const field = (name: string) => `probes.${probe}.${name}`;
  const least = (name: string, what: string, value: number) => checkLeast(at, spec, field(name), what, value);
  const successThreshold = numberAt(spec, field("successThreshold"));
  const gracePeriod = numberAt(spec, field("terminationGracePeriodSeconds"));
  return [
    ...least("initialDelaySeconds", "seconds", 0),
    ...least("periodSeconds", "seconds", 1),
    ...least("timeoutSeconds", "seconds", 1),
    ...least("failureThreshold", "failures", 1),
    ...least("successThreshold", "successes", 1),
    ...(probe !== "readiness" && successThreshold !== undefined && successThreshold > 1
      ? wrong(
          at(field("successThreshold")),
          successThreshold,
          "must be 1 in this probe",
          "Remove it: the default is 1.",
        )
      : []),
    ...least("terminationGracePeriodSeconds", "seconds", 1),
    ...(probe === "readiness" && gracePeriod !== undefined
      ? wrong(
          at(field("terminationGracePeriodSeconds")),
          gracePeriod,
          "must not be set for a readiness probe, which stops nothing",
          "Remove it.",
        )
      : []),
    ...checkLag(at(field("maximumLag")), valueAt(spec, `probes.${probe}`)),
    ...least("isolationCheck.requestTimeout", "ms", 1),
    ...least("isolationCheck.connectionTimeout", "ms", 1),
  ];
}

/** The operator refuses a string that is not a quantity, but its message does not name the field. */
function checkLag(setting: string, probe: unknown): SettingProblem[] {
  const lag = valueAt(probe, "maximumLag");
  if (typeof lag !== "string" && typeof lag !== "number") return [];
  return parseQuantity(String(lag)) === undefined || stringAt(probe, "type") !== "streaming"
    ? wrong(
        setting,
        lag,
        "must be a quantity, in a probe with type: streaming",
        "Write e.g. 16Mi, and type: streaming.",
      )
    : [];
}

function checkSynchronous(at: At, spec: Spec): SettingProblem[] {
  const field = (name: string) => `postgresql.synchronous.${name}`;
  const before = stringsAt(spec, field("standbyNamesPre"));
  return [
    ...checkLeast(at, spec, field("maxStandbyNamesFromCluster"), "standbys"),
    ...checkUnique(
      (index) => at(field(index < before.length ? "standbyNamesPre" : "standbyNamesPost")),
      [...before, ...stringsAt(spec, field("standbyNamesPost"))],
    ),
  ];
}

/** Checks labels and annotations for objects that CloudNativePG creates. */
function checkMetadata(at: At, spec: Spec, field: string): SettingProblem[] {
  const labels = stringMapAt(spec, `${field}.labels`);
  const annotations = stringMapAt(spec, `${field}.annotations`);
  return [
    ...checkLabels(at(`${field}.labels`), labels),
    ...checkReservedKeys(at(`${field}.labels`), labels),
    ...checkAnnotations(at(`${field}.annotations`), annotations),
    ...checkReservedKeys(at(`${field}.annotations`), annotations),
  ];
}

function checkPullSecrets(at: At, spec: Spec): SettingProblem[] {
  const names = listAt(spec, "imagePullSecrets").map((secret) => stringAt(secret, "name"));
  return names.flatMap((name, index) => {
    const setting = at(`imagePullSecrets[${index}].name`);
    return name !== undefined && names.indexOf(name) < index
      ? wrong(setting, name, "is listed twice", "Remove one of the two.")
      : checkObjectName(setting, name, "Secret");
  });
}

function checkLdap(at: At, spec: Spec): SettingProblem[] {
  const ldap = valueAt(spec, "postgresql.ldap");
  if (!isObject(ldap)) return [];
  const setting = at("postgresql.ldap");
  const server = stringAt(ldap, "server");
  const search = ldap.bindSearchAuth;
  return [
    ...(!server || /^[^\s"/]+$/.test(server)
      ? []
      : wrong(
          `${setting}.server`,
          server,
          "must be a host name",
          "Write a host without a scheme, e.g. ldap.example.com.",
        )),
    ...checkPort(`${setting}.port`, numberAt(ldap, "port")),
    ...checkLdapTls(`${setting}.tls`, stringAt(ldap, "scheme") === "ldaps", ldap.tls ?? false),
    ...(isAbsent(ldap.bindAsAuth) && isAbsent(search)
      ? wrong(setting, undefined, "must say how users are found", "Set bindAsAuth or bindSearchAuth.")
      : []),
    ...(isObject(search) ? checkLdapSearch(`${setting}.bindSearchAuth`, search) : []),
  ];
}

/** The API server treats null as absent. */
const isAbsent = (value: unknown) => value === undefined || value === null;

/** A value that is neither true nor false is not checked here: the operator refuses it, or it becomes known later. */
function checkLdapTls(setting: string, secured: boolean, tls: unknown): SettingProblem[] {
  if (tls !== secured) return [];
  return wrong(
    setting,
    tls,
    secured ? "starts TLS inside TLS" : "sends passwords in clear text to the directory",
    secured ? "Remove it: scheme: ldaps already uses TLS." : "Set tls: true, or scheme: ldaps.",
  );
}

/** CNPG writes both `ldapbinddn` and `ldapbindpasswd` in any case, so a login with only one of them fails. */
function checkLdapSearch(setting: string, search: Spec): SettingProblem[] {
  const { baseDN = "", bindDN, bindPassword, searchAttribute, searchFilter } = search;
  const key = stringAt(bindPassword, "key");
  return [
    ...(baseDN === ""
      ? wrong(`${setting}.baseDN`, baseDN, "must not be empty", "Write e.g. ou=people,dc=example,dc=com.")
      : []),
    ...(isAbsent(bindDN) === isAbsent(bindPassword)
      ? []
      : wrong(
          `${setting}.${isAbsent(bindDN) ? "bindDN" : "bindPassword"}`,
          undefined,
          "is missing",
          "Set both bindDN and bindPassword, or neither.",
        )),
    ...checkObjectName(`${setting}.bindPassword.name`, stringAt(bindPassword, "name"), "Secret"),
    ...(key !== undefined && !/^[-._a-zA-Z0-9]+$/.test(key)
      ? wrong(`${setting}.bindPassword.key`, key, "is not a valid key of a Secret", "Write e.g. password.")
      : []),
    ...(!isAbsent(searchAttribute) && !isAbsent(searchFilter)
      ? wrong(
          `${setting}.searchFilter`,
          searchFilter,
          "must not be set together with searchAttribute",
          "Remove one of the two.",
        )
      : []),
  ];
}
