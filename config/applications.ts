/** Applications of the configuration: what they may use of its databases, as the component wants it. Pure. */
import type { MachineIdSettings, TeleportConnection, WorkloadDatabase } from "../components";
import { labelsOf } from "../components/postgres-cluster/teleport-plan";
import type { ClusterPlan } from "../components/postgres-cluster/plan";
import type { ApplicationDatabase, ApplicationSettings } from "./settings";
import type { SettingProblem } from "../components/problems";
import { checkMachineId } from "../components/workload/machine-id";
import { listed, nearest } from "../components/settings/validation";
import { known } from "../components/value-check";

/** What the component is given; `settings` are complete but for what Teleport says of the databases. */
export interface ApplicationPlan {
  /** The settings that all of this follows from. */
  application: ApplicationSettings;
  teleport: TeleportConnection;
  settings: MachineIdSettings;
}

/** By their names in the configuration. */
type Databases = Readonly<Record<string, ClusterPlan>>;

/**
 * All that is wrong with an application. `key` is its name in the configuration. A database that is undefined is
 * declared, but with mistakes, which are told elsewhere: what an application may use of it is not known.
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
  const all = ofWhole(setting, key, planned, databases, stack);
  return all.filter(
    (problem) => !unknown.some(([alias]) => problem.setting.startsWith(`${setting}.databases.${alias}`)),
  );
}

function ofWhole(
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
    const fix = "An application has one identity: declare one for each Teleport cluster.";
    return [{ setting: `${setting}.databases`, value: proxies, problem: "are in several Teleport clusters", fix }];
  }
  return checkMachineId(setting, settings).map((problem) =>
    problem.setting === `${setting}.name` && application.name === undefined
      ? ofDefaultName(setting, key, settings.name, stack)
      : problem,
  );
}

/** A default name that Teleport does not take is told where its parts were written. */
function ofDefaultName(setting: string, key: string, name: string, stack: string): SettingProblem {
  const fix = `Rename it, or set ${setting}.name.`;
  if (!/^[a-z][-a-z0-9]*$/.test(key)) {
    return { setting, problem: `cannot be part of a bot's name: only lower-case letters, digits and hyphens can`, fix };
  }
  return /^([-a-z0-9]*[a-z0-9])?$/.test(stack)
    ? { setting, problem: `would be called ${name} in Teleport, where a bot's name has at most 40 characters`, fix }
    : {
        setting: "the stack's name",
        value: stack,
        problem: "cannot be part of a bot's name: only lower-case letters, digits and hyphens can",
        fix: `Set ${setting}.name.`,
      };
}

/** What the component is given for a checked application. The stack makes its name unique, as the databases' names are. */
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

/** The role opens this one: `primary` is unique in Teleport, as the primary's name is. */
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
    labels: teleport ? labelsOf(teleport, sqlType) : {},
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
    return [wrong("database", database, "is not a database of this configuration", hintOf(database, known))];
  }
  if (!inTeleport(plan, application)) {
    const fix = `Add teleport.proxy to databases.${database}, or correct credentials.`;
    return [wrong("database", database, "is not in that Teleport cluster", fix)];
  }
  const users = plan.users.map(({ name }) => name);
  const { roles: offered = [] } = plan.settings.autoUsers ?? {};
  return [
    ...(standby && !plan.hasStandby
      ? [wrong("standby", standby, "leads nowhere: the database has one instance", "Remove it.")]
      : []),
    ...(standby && roles.length > 0
      ? [wrong("roles", roles, "are for a user that is made at login, and a standby takes none", "Name a user.")]
      : []),
    ...(user === undefined || users.includes(user)
      ? []
      : [
          wrong(
            "user",
            user,
            `must be one of the users of databases.${database}`,
            `Add it to users, or use ${users.join(", ")}.`,
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

function hintOf(database: string, known: readonly string[]): string {
  if (known.length === 0) return "Declare it: databases is empty.";
  const similar = nearest(database, known);
  if (similar !== undefined) return `Did you mean ${similar}?`;
  return known.length > 10 ? "Name one of databases." : `Use ${listed(known)}.`;
}

function proxyOf(
  { database }: ApplicationDatabase,
  application: Pick<ApplicationSettings, "credentials">,
  databases: Databases,
): string | undefined {
  const plan = planOf(database, databases);
  return plan && known(inTeleport(plan, application)?.settings.proxy);
}

/** A database of the configuration; undefined if it has none of this name, also if every object has one, as `constructor`. */
function planOf(name: string, databases: Databases): ClusterPlan | undefined {
  return Object.hasOwn(databases, name) ? databases[name] : undefined;
}

/** The database in the application's Teleport cluster. */
function inTeleport(plan: ClusterPlan, { credentials }: Pick<ApplicationSettings, "credentials">) {
  return plan.teleport.find(({ settings }) => settings.credentials === credentials);
}
