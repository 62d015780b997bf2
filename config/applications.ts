/** Applications of the configuration: their plans, and the checks of what they use in its databases. Pure. */
import type { MachineIdSettings, TeleportConnection, WorkloadDatabase } from "../components";
import { identifyingLabels } from "../components/postgres-cluster/teleport-plan";
import type { ClusterPlan } from "../components/postgres-cluster/plan";
import type { ApplicationDatabase, ApplicationSettings } from "./settings";
import type { SettingProblem } from "../components/problems";
import { checkMachineId } from "../components/workload/machine-id";
import { listed, nearest } from "../components/settings/validation";
import { valueIfKnown } from "../components/value-check";

/** Everything that follows from the settings of an application. */
export interface ApplicationPlan {
  /** The settings that the plan is made from. */
  application: ApplicationSettings;
  teleport: TeleportConnection;
  settings: MachineIdSettings;
}

/** The plans of the databases, by their names in the configuration. */
type Databases = Readonly<Record<string, ClusterPlan>>;

/**
 * Returns every problem of an application.
 *
 * @param key name of the application in the configuration
 * @param declared a database is undefined if its own settings are wrong. Other checks report that, and the
 * application's use of this database is not checked
 */
export function checkApplication(
  setting: string,
  key: string,
  planned: ApplicationPlan,
  declared: Readonly<Record<string, ClusterPlan | undefined>>,
  stack: string,
): SettingProblem[] {
  const { application } = planned;
  const wanted = Object.entries(application.databases);
  const unknown = wanted.filter(([, { database }]) => Object.hasOwn(declared, database) && !declared[database]);
  const databases = Object.fromEntries(
    Object.entries(declared).flatMap(([name, plan]) => (plan ? [[name, plan]] : [])),
  );
  const problems = wanted
    .filter((one) => !unknown.includes(one))
    .flatMap(([alias, one]) =>
      checkDatabase(`${setting}.databases.${alias}`, one, application, databases, Object.keys(declared)),
    );
  if (problems.length > 0) return problems;
  const all = checkWholeApplication(setting, key, planned, databases, stack);
  return all.filter(
    (problem) => !unknown.some(([alias]) => problem.setting.startsWith(`${setting}.databases.${alias}`)),
  );
}

/** Checks that need all databases of the application. */
function checkWholeApplication(
  setting: string,
  key: string,
  { application, settings }: ApplicationPlan,
  databases: Databases,
  stack: string,
): SettingProblem[] {
  const proxies = [
    ...new Set(Object.values(application.databases).flatMap((one) => proxyOf(one, application, databases) ?? [])),
  ];
  if (proxies.length > 1) {
    const problem = "must all be in one Teleport cluster, because an application has one identity";
    const fix = "Declare one application for each Teleport cluster.";
    return [{ setting: `${setting}.databases`, value: proxies, problem, fix }];
  }
  return checkMachineId(setting, settings).map((problem) =>
    problem.setting === `${setting}.name` && application.name === undefined
      ? defaultNameProblem(setting, key, settings.name, stack)
      : problem,
  );
}

/** The problem of a default name that Teleport does not accept. Names the part that is wrong: the key or the stack. */
function defaultNameProblem(setting: string, key: string, name: string, stack: string): SettingProblem {
  const fix = `Rename it, or set ${setting}.name.`;
  if (!/^[a-z][-a-z0-9]*$/.test(key)) {
    const problem =
      "cannot be part of a bot's name, which must start with a lower-case letter and contain only lower-case letters, digits and hyphens";
    return { setting, problem, fix };
  }
  return /^([-a-z0-9]*[a-z0-9])?$/.test(stack)
    ? {
        setting,
        problem: `would be called ${name} in Teleport, where a bot's name must have at most 40 characters`,
        fix,
      }
    : {
        setting: "the stack's name",
        value: stack,
        problem: "cannot be part of a bot's name, which must contain only lower-case letters, digits and hyphens",
        fix: `Set ${setting}.name.`,
      };
}

/** Plans an application. The stack's name makes the default name unique, like the databases' names in Teleport. */
export function planApplication(
  key: string,
  application: ApplicationSettings,
  databases: Databases,
  stack: string,
): ApplicationPlan {
  const { name, join, databases: wanted, credentials, adopt: _, ...times } = application;
  const entries = Object.entries(wanted);
  const proxy = entries[0] ? (proxyOf(entries[0][1], { credentials }, databases) ?? "") : "";
  return {
    application,
    teleport: { proxy, credentials },
    settings: {
      name: name ?? `${key}-${stack}`,
      proxy,
      join,
      ...times,
      databases: Object.fromEntries(
        entries.map(([alias, database]) => [alias, workloadDatabase(database, { credentials }, databases)]),
      ),
    },
  };
}

/** A database as the bot's role selects it: the label `primary` is unique, because the primary's name is. */
function workloadDatabase(
  { database, standby = false, databaseName, user, roles, port }: ApplicationDatabase,
  application: Pick<ApplicationSettings, "credentials">,
  databases: Databases,
): WorkloadDatabase {
  const plan = planOf(database, databases);
  const teleport = plan && inTeleport(plan, application);
  const sqlType = standby ? "standby" : "primary";
  return {
    service: teleport?.[sqlType] ?? "",
    labels: teleport ? identifyingLabels(teleport, sqlType) : {},
    database: databaseName ?? plan?.database ?? "",
    ...(user === undefined ? {} : { user }),
    ...(roles === undefined ? {} : { roles }),
    ...(port === undefined ? {} : { port }),
  };
}

function checkDatabase(
  setting: string,
  { database, standby, user, roles = [] }: ApplicationDatabase,
  application: Pick<ApplicationSettings, "credentials">,
  databases: Databases,
  known: readonly string[],
): SettingProblem[] {
  const plan = planOf(database, databases);
  const wrong = (key: string, value: unknown, problem: string, fix: string) => ({
    setting: `${setting}.${key}`,
    value,
    problem,
    fix,
  });
  if (!plan) {
    return [wrong("database", database, "is not a database of this configuration", nameHint(database, known))];
  }
  if (!inTeleport(plan, application)) {
    const problem = "is not in the Teleport cluster of this application";
    const fix = `Add this Teleport cluster to databases.${database}.teleport, or correct credentials of the application.`;
    return [wrong("database", database, problem, fix)];
  }
  const users = plan.users.map(({ name }) => name);
  const { roles: offered = [] } = plan.settings.autoUsers ?? {};
  return [
    ...(standby && !plan.hasStandby
      ? [
          wrong(
            "standby",
            standby,
            `requires a standby, but databases.${database} has only one instance`,
            `Remove standby, or set databases.${database}.instances to 2 or more.`,
          ),
        ]
      : []),
    ...(standby && roles.length > 0
      ? [
          wrong(
            "roles",
            roles,
            "cannot be used with standby: true, because Teleport cannot create users on a standby",
            "Set user instead.",
          ),
        ]
      : []),
    ...(user === undefined || users.includes(user)
      ? []
      : [
          wrong(
            "user",
            user,
            `must be one of the users of databases.${database}`,
            `Add it to databases.${database}.users${users.length > 0 ? `, or use ${listed(users)}` : ""}.`,
          ),
        ]),
    ...roles
      .filter((role) => !offered.includes(role))
      .map((role) =>
        wrong(
          "roles",
          role,
          `must be one of the roles that Teleport may grant in databases.${database}`,
          `Add it to databases.${database}.autoUsers.roles.`,
        ),
      ),
  ];
}

function nameHint(database: string, known: readonly string[]): string {
  if (known.length === 0) return "Declare it in databases, which is empty.";
  const similar = nearest(database, known);
  if (similar !== undefined) return `Did you mean ${similar}?`;
  return known.length > 10 ? "Use one of the names in databases." : `Use ${listed(known)}.`;
}

function proxyOf(
  { database }: ApplicationDatabase,
  application: Pick<ApplicationSettings, "credentials">,
  databases: Databases,
): string | undefined {
  const plan = planOf(database, databases);
  return plan && valueIfKnown(inTeleport(plan, application)?.settings.proxy);
}

/** The plan of a database. Undefined if there is none, also for names that every object has, e.g. `constructor`. */
function planOf(name: string, databases: Databases): ClusterPlan | undefined {
  return Object.hasOwn(databases, name) ? databases[name] : undefined;
}

/** The plan of the database in the application's Teleport cluster. */
function inTeleport(plan: ClusterPlan, { credentials }: Pick<ApplicationSettings, "credentials">) {
  return plan.teleport.find(({ settings }) => settings.credentials === credentials);
}
