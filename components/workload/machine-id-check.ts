/**
 * Checks an application's settings before anything is created. Pure. Values that are not known yet are checked once
 * they are known.
 */
import type { SettingProblem } from "../problems";
import { checkTrust, isCheckedByTeleport, checkJoinRules } from "../teleport/resources/join-token";
import { parseDuration } from "../durations";
import { checkDatabaseRoles, checkDatabaseUsers } from "../teleport/resources/access-role";
import { certificateTimes, MachineIdSettings, WorkloadDatabase } from "./machine-id";

/**
 * The name becomes part of names in Teleport and of names of containers in Kubernetes (DNS labels of at most 63
 * characters).
 */
const NAME = /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/;
const ALIAS = /^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$/;
/** Teleport's minimum lifetime of a certificate (`MinCertDuration`). */
const SHORTEST_TTL_MS = 60_000;
/**
 * Maximum lifetime of a bot's certificate, unless the bot's own role is changed (`max_session_ttl` of bots, 13 to
 * 18).
 */
const LONGEST_TTL_MS = 12 * 3_600_000;

/** Returns every problem. `databases` has the databases whose parts are all known. */
export function checkMachineId(setting: string, settings: MachineIdSettings): SettingProblem[] {
  const { name, databases } = settings;
  return [
    ...(NAME.test(name)
      ? []
      : [
          {
            setting: `${setting}.name`,
            value: name,
            problem: "is not a valid name of a bot",
            fix: "Use at most 40 lower-case letters, digits and hyphens, beginning with a letter.",
          },
        ]),
    ...checkTimes(setting, settings),
    ...checkJoin(setting, settings.join),
    ...(Object.keys(databases).length > 0
      ? []
      : [
          {
            setting: `${setting}.databases`,
            problem: "must not be empty",
            fix: "Name the databases that the application may use.",
          },
        ]),
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
    const fix = "Write hours, minutes and seconds, e.g. 1h or 30m.";
    const problem = "must be a duration from 1m to 12h, which Teleport allows for a bot's certificate";
    return [{ setting: `${setting}.certificateTtl`, value: certificateTtl, problem, fix }];
  }
  if (interval !== undefined && interval > 0 && interval <= lifetime / 2) return [];
  return [
    {
      setting: `${setting}.renewalInterval`,
      value: renewalInterval,
      problem: "leaves no time to repeat a renewal that fails",
      fix: `Write at most half of certificateTtl (${certificateTtl}).`,
    },
  ];
}

function checkJoin(setting: string, join: MachineIdSettings["join"]): SettingProblem[] {
  const wrong = (field: string, value: unknown, problem: string, fix: string) => [
    { setting: `${setting}.join.${field}`, value, problem, fix },
  ];
  if (join.method === "token") {
    return join.secret === ""
      ? wrong("secret", join.secret, "must not be empty", "Name the Secret with the token.")
      : [];
  }
  if (join.method !== "kubernetes") return checkJoinRules(`${setting}.join`, join);
  const { namespace, serviceAccount, teleportCluster } = join;
  return [
    ...(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(namespace)
      ? []
      : wrong("namespace", namespace, "is not a valid namespace", "Write the application's namespace.")),
    ...(serviceAccount !== "default" && /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(serviceAccount)
      ? []
      : wrong(
          "serviceAccount",
          serviceAccount,
          "must be a service account of this application alone",
          "Name a service account of its own. Every pod that names none uses `default`.",
        )),
    ...checkTrust(join, (name) => `${setting}.join.${name}`),
    ...(teleportCluster === undefined || (isCheckedByTeleport(join) && /^[-.\w]+$/.test(teleportCluster))
      ? []
      : wrong(
          "teleportCluster",
          teleportCluster,
          isCheckedByTeleport(join)
            ? "is not a valid name of a Teleport cluster"
            : "has no effect without jwks or oidcIssuer",
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
            problem: "cannot be part of a container's name",
            fix: "Use at most 20 lower-case letters, digits and hyphens, beginning with a letter.",
          },
        ]),
    ...(names.length > 0 && !names.includes("*") && !Object.values(labels).flat().includes("*")
      ? []
      : [
          {
            setting: `${setting}.labels`,
            value: labels,
            problem: "would open other databases too",
            fix: "Name labels that only this database has, e.g. cluster, namespace and environment.",
          },
        ]),
    ...(/[*?^$|{}]/.test(name) || name === ""
      ? [
          {
            setting: `${setting}.database`,
            value: name,
            problem: "must be the name of one database",
            fix: "Write the name of the database in PostgreSQL.",
          },
        ]
      : []),
    ...((user === undefined) === (roles === undefined || roles.length === 0)
      ? [
          {
            setting: `${setting}.user`,
            value: user,
            problem: user === undefined ? "is missing, and roles is missing too" : "cannot be combined with roles",
            fix: "Set user to an existing PostgreSQL user, or roles to the roles of a user that Teleport creates.",
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
    const isDuplicate = taken.has(port);
    taken.add(port);
    const isPort = Number.isInteger(port) && port >= 1024 && port <= 65_535;
    if (isPort && !isDuplicate) return [];
    const problem = isDuplicate ? "is the port of another database" : "must be a port from 1024 to 65535";
    return [
      {
        setting: `${setting}.databases.${alias}.port`,
        value: port,
        problem,
        fix: "Choose a free port from 1024 to 65535.",
      },
    ];
  });
}
