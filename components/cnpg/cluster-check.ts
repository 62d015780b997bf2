/** Checks of a Cluster's settings, before Kubernetes or the operator's webhook would refuse them. Pure. */
import { SettingProblem } from "../settings";
import { ClusterSettings, databaseAndOwner, DEFAULT_INSTANCES, Storage } from "./cluster-spec";

/** Kubernetes' notation of quantities, without exponents. */
const QUANTITY = /^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?$/;
const IDENTIFIER = /^[a-z_][a-z0-9_$-]{0,62}$/;
const RESERVED_OWNERS = /^(postgres|streaming_replica|cnpg_.*|pg_.*)$/;
const RESERVED_DATABASES = ["postgres", "template0", "template1"];
const PARAMETER = /^[a-z_][a-z0-9_.]*$/i;
const HBA_TYPES = ["local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"];

/** All that is wrong with a Cluster's settings; `path` is put before each setting's name. */
export function checkClusterSettings(path: string, settings: ClusterSettings): SettingProblem[] {
  const at = (setting: string) => (path ? `${path}.${setting}` : setting);
  const { instances = DEFAULT_INSTANCES } = settings;
  const whole = Number.isInteger(instances) && instances >= 1;
  return [
    ...(whole
      ? []
      : [
          problem(
            at("instances"),
            instances,
            "is no number of instances",
            "Use a whole number of at least 1; 3 survive the loss of one.",
          ),
        ]),
    ...checkStorage(at("storage"), settings.storage),
    ...(settings.walStorage ? checkStorage(at("walStorage"), settings.walStorage) : []),
    ...checkResources(at("resources"), settings),
    ...checkInitDb(at("initdb"), settings),
    ...Object.keys(settings.parameters ?? {})
      .filter((name) => !PARAMETER.test(name))
      .map((name) =>
        problem(
          at("parameters"),
          name,
          "is no name of a PostgreSQL setting",
          "See PostgreSQL's documentation of its settings.",
        ),
      ),
    ...(settings.pgHba ?? []).flatMap((rule, index) => checkHbaRule(at(`pgHba[${index}]`), rule)),
  ];
}

function problem(setting: string, value: unknown, what: string, fix: string): SettingProblem {
  return { setting, value, problem: what, fix };
}

function checkStorage(setting: string, { size }: Storage): SettingProblem[] {
  return checkQuantity(`${setting}.size`, size, "10Gi");
}

function checkQuantity(setting: string, quantity: string, example: string): SettingProblem[] {
  if (QUANTITY.test(quantity) && parseFloat(quantity) > 0) return [];
  return [problem(setting, quantity, "is no Kubernetes quantity", `Write a number and a unit, e.g. ${example}.`)];
}

function checkResources(setting: string, { resources = {} }: ClusterSettings): SettingProblem[] {
  return (["requests", "limits"] as const).flatMap((kind) =>
    Object.entries(resources[kind] ?? {}).flatMap(([name, quantity]) =>
      checkQuantity(`${setting}.${kind}.${name}`, quantity, name === "cpu" ? "500m" : "512Mi"),
    ),
  );
}

function checkInitDb(setting: string, { initdb = {} }: ClusterSettings): SettingProblem[] {
  const { database, owner } = databaseAndOwner(initdb);
  const names = Object.entries({ database, owner })
    .filter(([, name]) => !IDENTIFIER.test(name))
    .map(([key, name]) =>
      problem(
        `${setting}.${key}`,
        name,
        "is no plain PostgreSQL name",
        "Use at most 63 lower-case letters, digits, underscores and hyphens, not beginning with a digit.",
      ),
    );
  return [
    ...names,
    ...(RESERVED_DATABASES.includes(database)
      ? [problem(`${setting}.database`, database, "is one of PostgreSQL's own databases", "Choose another name.")]
      : []),
    ...(RESERVED_OWNERS.test(owner)
      ? [
          problem(
            `${setting}.owner`,
            owner,
            "is reserved by PostgreSQL or CloudNativePG",
            "Choose another name, e.g. the database's.",
          ),
        ]
      : []),
  ];
}

function checkHbaRule(setting: string, rule: string): SettingProblem[] {
  const [type, ...fields] = rule.trim().split(/\s+/);
  const whole = HBA_TYPES.includes(type ?? "") && fields.length >= 3 && !/[\r\n]/.test(rule);
  return whole
    ? []
    : [
        problem(
          setting,
          rule,
          "is no rule of pg_hba.conf",
          "Write e.g. hostssl all app 10.0.0.0/8 scram-sha-256, one rule each.",
        ),
      ];
}
