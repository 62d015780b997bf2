/** Checks of an application's settings, before anything is made. Pure; what is not known yet is checked when it is. */
import type { SettingProblem } from "../problems";
import { checkTrust, isCheckedByTeleport } from "../teleport/resources/account-trust";
import { parseDuration } from "../go-duration";
import { checkJoinRules } from "../teleport/resources/join-token-document";
import { checkDatabaseRoles, checkDatabaseUsers } from "../teleport/resources/reserved-users";
import { certificateTimes, MachineIdSettings, WorkloadDatabase } from "./machine-id";

/** Becomes part of names in Teleport and of containers in Kubernetes (a DNS label of 63 characters at most). */
const NAME = /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/;
const ALIAS = /^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$/;
/** Teleport gives no certificate for less (`MinCertDuration`). */
const SHORTEST_TTL_MS = 60_000;
/** Nor a bot one for longer, unless its own role is changed (`max_session_ttl` of bots, 13 to 18). */
const LONGEST_TTL_MS = 12 * 3_600_000;

/** All that is wrong; `databases` are those that are known as a whole. */
export function checkMachineId(setting: string, settings: MachineIdSettings): SettingProblem[] {
  const { name, databases } = settings;
  return [
    ...(NAME.test(name)
      ? []
      : [
          {
            setting: `${setting}.name`,
            value: name,
            problem: "is no name for a bot",
            fix: "Use at most 40 lower-case letters, digits and hyphens, beginning with a letter.",
          },
        ]),
    ...checkTimes(setting, settings),
    ...checkJoin(setting, settings.join),
    ...(Object.keys(databases).length > 0
      ? []
      : [{ setting: `${setting}.databases`, problem: "is empty", fix: "Name the databases that it may use." }]),
    ...Object.entries(databases).flatMap(([alias, database]) =>
      checkDatabase(`${setting}.databases.${alias}`, alias, database),
    ),
    ...checkPorts(setting, databases),
  ];
}

function checkTimes(setting: string, settings: MachineIdSettings): SettingProblem[] {
  const { certificateTtl, renewalInterval } = certificateTimes(settings);
  const lifetime = parseDuration(certificateTtl);
  const interval = parseDuration(renewalInterval);
  if (lifetime === undefined || lifetime < SHORTEST_TTL_MS || lifetime > LONGEST_TTL_MS) {
    const fix = "Write hours, minutes and seconds, from a minute to 12 hours, e.g. 1h or 30m.";
    const problem = "is no lifetime that Teleport gives a bot's certificate";
    return [{ setting: `${setting}.certificateTtl`, value: certificateTtl, problem, fix }];
  }
  if (interval !== undefined && interval > 0 && interval <= lifetime / 2) return [];
  return [
    {
      setting: `${setting}.renewalInterval`,
      value: renewalInterval,
      problem: "leaves no time for a renewal that fails once",
      fix: `Write at most half of certificateTtl (${certificateTtl}).`,
    },
  ];
}

function checkJoin(setting: string, join: MachineIdSettings["join"]): SettingProblem[] {
  const wrong = (field: string, value: unknown, problem: string, fix: string) => [
    { setting: `${setting}.join.${field}`, value, problem, fix },
  ];
  if (join.method === "token") {
    return join.secret === "" ? wrong("secret", join.secret, "is empty", "Name the Secret that has the token.") : [];
  }
  if (join.method !== "kubernetes") return checkJoinRules(`${setting}.join`, join);
  const { namespace, serviceAccount, teleportCluster } = join;
  return [
    ...(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(namespace)
      ? []
      : wrong("namespace", namespace, "is no namespace", "Name the application's namespace.")),
    ...(serviceAccount !== "default" && /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(serviceAccount)
      ? []
      : wrong(
          "serviceAccount",
          serviceAccount,
          "is not a service account of this application alone",
          "Name one of its own: every pod that names none has `default`.",
        )),
    ...checkTrust(join, (name) => `${setting}.join.${name}`),
    ...(teleportCluster === undefined || (isCheckedByTeleport(join) && /^[-.\w]+$/.test(teleportCluster))
      ? []
      : wrong(
          "teleportCluster",
          teleportCluster,
          isCheckedByTeleport(join) ? "is not a Teleport cluster's name" : "has no effect without jwks or oidcIssuer",
          "Write the cluster's name as `tctl status` shows it, or remove it.",
        )),
  ];
}

function checkDatabase(setting: string, alias: string, database: WorkloadDatabase): SettingProblem[] {
  const { labels, user, roles, database: name } = database;
  const names = Object.keys(labels);
  return [
    ...(ALIAS.test(alias)
      ? []
      : [
          {
            setting,
            value: alias,
            problem: "is no name that containers can have",
            fix: "Use at most 20 lower-case letters, digits and hyphens, beginning with a letter.",
          },
        ]),
    ...(names.length > 0 && !names.includes("*") && !Object.values(labels).flat().includes("*")
      ? []
      : [
          {
            setting: `${setting}.labels`,
            value: labels,
            problem: "would open more databases than this one",
            fix: "Name labels that it alone carries, e.g. cluster, namespace and environment.",
          },
        ]),
    ...(/[*?^$|{}]/.test(name) || name === ""
      ? [
          {
            setting: `${setting}.database`,
            value: name,
            problem: "is no name of one database",
            fix: "Name the database in PostgreSQL.",
          },
        ]
      : []),
    ...((user === undefined) === (roles === undefined || roles.length === 0)
      ? [
          {
            setting: `${setting}.user`,
            value: user,
            problem: user === undefined ? "is missing, and so is roles" : "cannot be together with roles",
            fix: "Name an existing PostgreSQL user, or the roles of one that Teleport makes.",
          },
        ]
      : []),
    ...checkDatabaseUsers(`${setting}.user`, user === undefined ? [] : [user]),
    ...checkDatabaseRoles(`${setting}.roles`, roles),
  ];
}

function checkPorts(setting: string, databases: MachineIdSettings["databases"]): SettingProblem[] {
  const taken = new Set<number>();
  return Object.entries(databases).flatMap(([alias, { port }]) => {
    if (port === undefined) return [];
    const isTwice = taken.has(port);
    taken.add(port);
    const isPort = Number.isInteger(port) && port >= 1024 && port <= 65_535;
    if (isPort && !isTwice) return [];
    const problem = isTwice ? "is another database's port" : "is no port that an unprivileged container can have";
    return [{ setting: `${setting}.databases.${alias}.port`, value: port, problem, fix: "Choose 1024 to 65535." }];
  });
}
