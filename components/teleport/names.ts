/**
 * Names in Teleport that are derived from a Cluster's, the labels of its databases there, the commands with which
 * people connect, and checks of names, labels and the address of a proxy. Values that a preview does not know yet pass.
 * Pure.
 */
import { SettingProblem } from "../problems";
import { isPort, UNKNOWN } from "../value-check";
import { OWNER_LABEL } from "../owner-label";
import { parseDuration } from "../durations";
import { TeleportUser } from "../cnpg/roles";

/** Teleport's rule for the names of databases (`ValidateDatabase`); names also become DNS labels at the proxy. */
const MAX_TELEPORT_NAME = 63;
const DNS_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** Names of a Cluster's databases in Teleport; the environment makes them unique in the whole Teleport cluster. */
export function teleportNames(
  cluster: string,
  environment: string,
  override?: string,
): { primary: string; standby: string } {
  const primary = override ?? `${cluster}-${environment}`;
  return { primary, standby: `${primary}-ro` };
}

/** Checks the name of a database in Teleport. */
export function checkTeleportName(setting: string, name: string): SettingProblem[] {
  if (DNS_1035.test(name) && name.length <= MAX_TELEPORT_NAME) return [];
  return [
    {
      setting,
      value: name,
      problem: "is not a name that Teleport accepts for a database",
      fix: `Use at most ${MAX_TELEPORT_NAME} lower-case letters, digits and hyphens, beginning with a letter; set teleport.name to choose another one.`,
    },
  ];
}

/** The label that primary and standby have in common, and no other database: the primary's name in Teleport. */
export const PRIMARY_LABEL = "primary";
/**
 * PostgreSQL's system identifier, on what the primary cluster of a distributed topology registers. All Clusters of a topology have
 * the same one, because their data are copies.
 */
export const TOPOLOGY_LABEL = "cnpg-teleport/topology";
/** When that Cluster was promoted, e.g. `20261130T123615Z`. Empty if it always was the primary cluster. */
export const PROMOTED_LABEL = "cnpg-teleport/promoted";
/** Labels of databases in Teleport that are set here. */
export const OUR_LABELS = [
  ...["environment", "cluster", "namespace", PRIMARY_LABEL, "provisioned_by", "sql_type"],
  ...[TOPOLOGY_LABEL, PROMOTED_LABEL],
];

/** The ConfigMap with the server's CA in the namespace of an agent that serves a database by its configuration. */
export function agentConfigMap(primary: string): string {
  return `${primary}-server-ca`;
}

/** Teleport's rule for the keys of labels (`IsValidLabelKey`). */
const LABEL_KEY = /^[a-z0-9A-Z/_:*.-]+$/;

/** Checks labels with a fixed value. */
export function checkLabels(setting: string, labels: unknown): SettingProblem[] {
  if (labels === undefined || labels === UNKNOWN) return [];
  return Object.entries(labels as Record<string, unknown>).flatMap(([key, value]) => {
    const at = `${setting} ${key}`;
    if (value === UNKNOWN) return [];
    const wrongKey = checkLabelKey(at, key);
    if (wrongKey.length > 0 || typeof value === "string") return wrongKey;
    return [{ setting: at, value, problem: "must be a string", fix: "Write the value in quotes." }];
  });
}

/** Checks labels whose value is the output of a command. */
export function checkDynamicLabels(setting: string, labels: unknown): SettingProblem[] {
  const entries = Object.entries((labels ?? {}) as Record<string, { command?: unknown; period?: unknown }>);
  return entries.flatMap(([key, { command, period }]) => {
    const at = `${setting}.${key}`;
    const isCommand = Array.isArray(command) && command.length > 0 && command.every((part) => typeof part === "string");
    const lasts = typeof period === "string" ? (parseDuration(period) ?? 0) : 0;
    return [
      ...checkLabelKey(at, key),
      ...(isCommand
        ? []
        : [
            {
              setting: `${at}.command`,
              value: command,
              problem: "must be a non-empty list of strings",
              fix: 'Write e.g. ["date"].',
            },
          ]),
      ...(lasts >= 1_000 // a shorter period is a mistake; Teleport raises it to a second
        ? []
        : [
            {
              setting: `${at}.period`,
              value: period,
              problem: "must be a duration of at least 1s",
              fix: "Write e.g. 1m or 1h30m.",
            },
          ]),
    ];
  });
}

function checkLabelKey(setting: string, key: string): SettingProblem[] {
  if (!LABEL_KEY.test(key)) {
    return [
      {
        setting,
        problem: "contains a character that Teleport refuses",
        fix: "Use letters, digits and the characters / _ : * . -",
      },
    ];
  }
  if (key !== OWNER_LABEL && !key.startsWith("teleport.dev/")) return [];
  return [{ setting, problem: "is reserved", fix: "Choose another key." }];
}

const HOST_PORT = /^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})$/;

/** Checks `host:port`. A missing value passes. */
export function checkProxyAddress(setting: string, proxy: string | undefined): SettingProblem[] {
  const port = Number(HOST_PORT.exec(proxy ?? "teleport:443")?.[2] ?? NaN);
  if (isPort(port)) return [];
  return [
    {
      setting,
      value: proxy,
      problem: "must be the address of a Teleport proxy",
      fix: "Write host:port without a scheme, e.g. teleport.example.com:443.",
    },
  ];
}

/** `tsh db connect` for each database in Teleport and each user. */
export function connectCommands(
  proxy: string,
  teleportDatabases: readonly string[],
  users: readonly TeleportUser[],
  database: string,
): string[] {
  return teleportDatabases.flatMap((name) =>
    users.map((user) => `tsh db connect --proxy=${proxy} --db-user=${user.name} --db-name=${database} ${name}`),
  );
}
