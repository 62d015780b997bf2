/** Checks of the settings of a database in Vault, before anything is made. Pure. */
import { isAdministrative, isReservedRole } from "../cnpg/reserved-roles";
import { isPostgresName } from "../value-check";
import { SettingProblem } from "../problems";
import { parseDuration } from "../go-duration";
import {
  CredentialsConsumer,
  CredentialsRole,
  DEFAULTS,
  LONGEST_ADMIN,
  LONGEST_ROLE,
  VaultUsersSettings,
} from "./settings";

/** What is checked of the component's arguments. */
export interface CheckedSettings extends VaultUsersSettings {
  mount: string;
  connection: string;
  roles: Record<string, CredentialsRole>;
  kubernetesAuth?: { path: string };
  revokeWithin?: number;
}

/** Stand in paths of Vault, in policies and in SQL without quotes or with them: nothing that means something there. */
const ADMIN = /^[a-z_][a-z0-9_]*$/;
const POSTGRES_ROLE = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const NAME = /^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const MOUNT = /^[a-z0-9][-_a-z0-9]*(\/[a-z0-9][-_a-z0-9]*)*$/;
const LONGEST_CONNECTION = 64;

/** All that is wrong. */
export function checkVaultDatabase(setting: string, settings: CheckedSettings): SettingProblem[] {
  const { admin, group, mount, connection, roles, kubernetesAuth, revokeWithin } = settings;
  const wrong = (key: string, value: unknown, problem: string, fix: string) => ({
    setting: setting === "" ? key : `${setting}.${key}`,
    value,
    problem,
    fix,
  });
  const path = (key: string, value: string) =>
    MOUNT.test(value)
      ? []
      : [wrong(key, value, "is no path of a mount", "Use lower-case letters, digits, - and _, with / between parts.")];
  return [
    ...(admin === undefined ||
    (ADMIN.test(admin) && admin.length <= LONGEST_ADMIN && !isReservedRole(admin) && admin !== "all")
      ? []
      : [
          wrong(
            "admin",
            admin,
            "is no name for Vault's user",
            `Use at most ${LONGEST_ADMIN} lower-case letters, digits and underscores; not a name that PostgreSQL or CloudNativePG reserves.`,
          ),
        ]),
    ...(group === undefined ? [] : checkGroups(`${prefix(setting)}group`, [group])),
    ...(settings.schemas ?? []).flatMap((schema) =>
      isPostgresName(schema) ? [] : [wrong("schemas", schema, "is no name of a schema", "Name one.")],
    ),
    ...path("mount.path", mount),
    ...(kubernetesAuth ? path("kubernetesAuth.path", kubernetesAuth.path) : []),
    ...(NAME.test(connection) && connection.length <= LONGEST_CONNECTION
      ? []
      : [
          wrong(
            "connection",
            connection,
            "is no name for a connection",
            `Use at most ${LONGEST_CONNECTION} lower-case letters, digits, - and _.`,
          ),
        ]),
    ...(Object.keys(roles).length > 0 ? [] : [wrong("roles", roles, "is empty", "Declare a role, e.g. app: {}.")]),
    ...Object.entries(roles).flatMap(([name, role]) =>
      checkRole(`${prefix(setting)}roles.${name}`, name, role, kubernetesAuth !== undefined),
    ),
    ...(revokeWithin === undefined || (revokeWithin >= 0 && revokeWithin <= 3_600)
      ? []
      : [wrong("revokeWithin", revokeWithin, "is no number of seconds", "Use a number from 0 to 3600.")]),
  ];
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
            problem: "is no name for a role",
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
            fix: "Make it shorter, or maxTtl longer.",
          },
        ]
      : []),
    ...(connectionLimit === undefined || (Number.isInteger(connectionLimit) && connectionLimit >= -1)
      ? []
      : [
          {
            setting: `${setting}.connectionLimit`,
            value: connectionLimit,
            problem: "is no number of connections",
            fix: "Use a whole number; -1 is no limit.",
          },
        ]),
    ...(consumer ? checkConsumer(`${setting}.consumer`, consumer, hasAuth) : []),
  ];
}

/** A `*` in Vault's role stands for every namespace, or every service account. */
function checkConsumer(setting: string, consumer: CredentialsConsumer, hasAuth: boolean): SettingProblem[] {
  const { namespace, serviceAccount, tokenTtl, tokenMaxTtl } = consumer;
  const names = Object.entries({ namespace, serviceAccount }).filter(
    ([, name]) => !/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name),
  );
  return [
    ...names.map(([key, value]) => ({
      setting: `${setting}.${key}`,
      value,
      problem: "is no name of one",
      fix: "Write its whole name: a pattern would let others in.",
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
            fix: "Set kubernetesAuth, e.g. {path: kubernetes}.",
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
        problem: "is empty, so that users could do nothing",
        fix: "Name a role, or leave it out.",
      },
    ];
  return roles.flatMap((value) => {
    if (!POSTGRES_ROLE.test(value)) {
      return [
        { setting, value, problem: "is no name of a role that can be used here", fix: "Use letters, digits, - and _." },
      ];
    }
    // CNPG's managed roles and ours never are; pg_read_all_data and its like are what one grants.
    return isAdministrative(value)
      ? [{ setting, value, problem: "would make users administrators of the server", fix: "Choose another." }]
      : [];
  });
}

function checkTtl(setting: string, value: string): SettingProblem[] {
  const milliseconds = parseDuration(value);
  if (milliseconds !== undefined && milliseconds >= 1_000) return [];
  return [{ setting, value, problem: "is no duration", fix: "Write hours, minutes and seconds, e.g. 1h or 15m." }];
}

/** Seconds of a checked duration. */
export function seconds(duration: string): number {
  return Math.floor((parseDuration(duration) ?? 0) / 1_000);
}

const prefix = (setting: string) => (setting === "" ? "" : `${setting}.`);
