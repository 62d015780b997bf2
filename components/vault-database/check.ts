/** Checks the settings of a database in Vault before anything is created. Pure. */
import { isAdministrative, isReservedRole } from "../cnpg/roles";
import { checkPort, isObject, isPostgresName, valueIfKnown } from "../value-check";
import type * as pulumi from "@pulumi/pulumi";
import { SettingProblem } from "../problems";
import { parseDuration } from "../durations";
import {
  CredentialsConsumer,
  CredentialsRole,
  DEFAULTS,
  LONGEST_ADMIN,
  LONGEST_ROLE,
  VaultUsersSettings,
  type DatabaseOfCluster,
  type VaultDatabaseOfCluster,
} from "./settings";
import { checkHost, coversHost } from "../certificates/alt-names";
import type { VaultDatabasePlan } from "./plan";

/** The part of the component's arguments that is checked. */
export interface CheckedSettings extends VaultUsersSettings {
  mount: pulumi.Input<string>;
  connection: string;
  roles: Record<string, CredentialsRole>;
  kubernetesAuth?: { path: pulumi.Input<string> };
  revokeWithin?: number;
}

/**
 * These names are used in Vault paths, in policies and in SQL, with and without quotes. They must not contain
 * characters that have a meaning there.
 */
const ADMIN = /^[a-z_][a-z0-9_]*$/;
const POSTGRES_ROLE = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const NAME = /^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const MOUNT = /^[a-z0-9][-_a-z0-9]*(\/[a-z0-9][-_a-z0-9]*)*$/;
const LONGEST_CONNECTION = 64;

/** Returns every problem. */
export function checkVaultDatabase(setting: string, settings: CheckedSettings): SettingProblem[] {
  const { admin, group, mount, connection, roles, kubernetesAuth, revokeWithin } = settings;
  const wrong = (key: string, value: unknown, problem: string, fix: string) => ({
    setting: setting === "" ? key : `${setting}.${key}`,
    value,
    problem,
    fix,
  });
  const path = (key: string, value: pulumi.Input<string>) =>
    MOUNT.test(valueIfKnown(value) ?? "known-later")
      ? []
      : [
          wrong(
            key,
            value,
            "is not a valid path of a mount",
            "Use lower-case letters, digits, - and _, with / between parts.",
          ),
        ];
  return [
    ...(admin === undefined ||
    (ADMIN.test(admin) && admin.length <= LONGEST_ADMIN && !isReservedRole(admin) && admin !== "all")
      ? []
      : [
          wrong(
            "admin",
            admin,
            "is not a valid name for Vault's user",
            `Use at most ${LONGEST_ADMIN} lower-case letters, digits and underscores, and no name that PostgreSQL or CloudNativePG reserves.`,
          ),
        ]),
    ...(group === undefined ? [] : checkGroups(`${prefix(setting)}group`, [group])),
    ...(settings.schemas ?? []).flatMap((schema) =>
      isPostgresName(schema)
        ? []
        : [wrong("schemas", schema, "is not a valid schema name", "Write the name of a schema, at most 63 bytes.")],
    ),
    ...path("mount.path", mount),
    ...(kubernetesAuth ? path("kubernetesAuth.path", kubernetesAuth.path) : []),
    ...(NAME.test(connection) && connection.length <= LONGEST_CONNECTION
      ? []
      : [
          wrong(
            "connection",
            connection,
            "is not a valid name of a connection",
            `Use at most ${LONGEST_CONNECTION} lower-case letters, digits, - and _.`,
          ),
        ]),
    ...(Object.keys(roles).length > 0
      ? []
      : [wrong("roles", roles, "must not be empty", "Declare a role, e.g. app: {}.")]),
    ...Object.entries(roles).flatMap(([name, role]) =>
      checkRole(`${prefix(setting)}roles.${name}`, name, role, kubernetesAuth !== undefined),
    ),
    ...(revokeWithin === undefined || (revokeWithin >= 0 && revokeWithin <= 3_600)
      ? []
      : [wrong("revokeWithin", revokeWithin, "must be a number of seconds from 0 to 3600", "Write e.g. 60.")]),
  ];
}

/** Reports what is missing in a database, e.g. because another stack has no output of that name. An output passes. */
export function checkDatabaseOfCluster(
  setting: string,
  database: pulumi.Input<DatabaseOfCluster> | undefined,
): SettingProblem[] {
  const fix =
    "Pass an element of the output databases of the stack that creates the Cluster, or outputs of a PostgresCluster.";
  if (!database) return [{ setting, problem: "is missing", fix }];
  if (!isObject(database)) return [];
  return ["namespace", "cluster", "hostReadWrite", "database", "owner"]
    .filter((key) => !database[key])
    .map((key) => ({ setting: `${setting}.${key}`, problem: "is missing", fix }));
}

function checkRole(setting: string, name: string, role: CredentialsRole, hasAuth: boolean): SettingProblem[] {
  const { memberOf, defaultTtl = DEFAULTS.defaultTtl, maxTtl = DEFAULTS.maxTtl, connectionLimit, consumer } = role;
  const times = [...checkTtl(`${setting}.defaultTtl`, defaultTtl), ...checkTtl(`${setting}.maxTtl`, maxTtl)];
  const isReversed = times.length === 0 && seconds(defaultTtl) > seconds(maxTtl);
  return [
    ...(NAME.test(name) && name.length <= LONGEST_ROLE
      ? []
      : [
          {
            setting,
            value: name,
            problem: "is not a valid name of a role",
            fix: `Use at most ${LONGEST_ROLE} lower-case letters, digits, - and _: it becomes part of the users' names.`,
          },
        ]),
    ...(memberOf ? checkGroups(`${setting}.memberOf`, memberOf) : []),
    ...times,
    ...(isReversed
      ? [
          {
            setting: `${setting}.defaultTtl`,
            value: defaultTtl,
            problem: `is longer than maxTtl, ${maxTtl}`,
            fix: "Decrease defaultTtl, or increase maxTtl.",
          },
        ]
      : []),
    ...(connectionLimit === undefined || (Number.isInteger(connectionLimit) && connectionLimit >= -1)
      ? []
      : [
          {
            setting: `${setting}.connectionLimit`,
            value: connectionLimit,
            problem: "must be a whole number of connections, or -1",
            fix: "Write e.g. 20. -1 means no limit.",
          },
        ]),
    ...(consumer ? checkConsumer(`${setting}.consumer`, consumer, hasAuth) : []),
  ];
}

/** In Vault's role, `*` stands for every namespace or every service account. */
function checkConsumer(setting: string, consumer: CredentialsConsumer, hasAuth: boolean): SettingProblem[] {
  const { namespace, serviceAccount, tokenTtl, tokenMaxTtl } = consumer;
  const names = Object.entries({ namespace, serviceAccount }).filter(
    ([, name]) => !/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name),
  );
  return [
    ...names.map(([key, value]) => ({
      setting: `${setting}.${key}`,
      value,
      problem: key === "namespace" ? "is not a valid namespace" : "is not a valid name of a service account",
      fix: "Write the whole name. A pattern would also let other pods log in.",
    })),
    ...(tokenTtl === undefined ? [] : checkTtl(`${setting}.tokenTtl`, tokenTtl)),
    ...(tokenMaxTtl === undefined ? [] : checkTtl(`${setting}.tokenMaxTtl`, tokenMaxTtl)),
    ...(hasAuth
      ? []
      : [
          {
            setting,
            value: consumer,
            problem: "has no way to log in",
            fix: "Set kubernetesAuth, e.g. {path: kubernetes}, or remove consumer.",
          },
        ]),
  ];
}

function checkGroups(setting: string, roles: readonly string[]): SettingProblem[] {
  if (roles.length === 0)
    return [
      {
        setting,
        value: roles,
        problem: "is empty, so users would have no rights",
        fix: "Name a role, or remove the setting.",
      },
    ];
  return roles.flatMap((value) => {
    if (!POSTGRES_ROLE.test(value)) {
      return [
        { setting, value, problem: "is not a valid role name here", fix: "Use at most 63 letters, digits, - and _." },
      ];
    }
    // Managed roles of CloudNativePG and of this program are never administrators. pg_read_all_data and similar roles
    // may be granted.
    return isAdministrative(value)
      ? [{ setting, value, problem: "would make users administrators of the server", fix: "Choose another role." }]
      : [];
  });
}

function checkTtl(setting: string, value: string): SettingProblem[] {
  const milliseconds = parseDuration(value);
  if (milliseconds !== undefined && milliseconds >= 1_000) return [];
  return [
    {
      setting,
      value,
      problem: "must be a duration of at least 1s",
      fix: "Write hours, minutes and seconds, e.g. 1h or 15m.",
    },
  ];
}

/** A valid duration in seconds. */
export function seconds(duration: string): number {
  return Math.floor((parseDuration(duration) ?? 0) / 1_000);
}

const prefix = (setting: string) => (setting === "" ? "" : `${setting}.`);

/** Returns every problem of the settings of a database in Vault that a PostgresCluster creates. */
export function checkVaultDatabaseOfCluster(
  setting: string,
  settings: VaultDatabaseOfCluster,
  { connection, mount }: VaultDatabasePlan,
  { serverAltNames = [] }: { serverAltNames?: string[] },
): SettingProblem[] {
  const { host, port } = settings;
  return [
    ...checkVaultDatabase(setting, { ...settings, connection, mount: mount.path }),
    ...(host === undefined ? [] : checkHostOf(`${setting}.host`, host, serverAltNames)),
    ...checkPort(`${setting}.port`, port),
  ];
}

function checkHostOf(setting: string, host: string, serverAltNames: readonly string[]): SettingProblem[] {
  const problems = checkHost(setting, host);
  if (problems.length > 0 || coversHost(serverAltNames, host)) return problems;
  const problem = "is not in the server's certificate, so Vault would refuse to connect";
  return [{ setting, value: host, problem, fix: "Add this host to serverAltNames." }];
}
