/** The ways to reach the database, and what each needs from the platform's outputs. Pure. */
import type { MachineIdOutputs, PostgresClusterOutputs, TbotPodSettings, VaultDatabaseOutputs } from "cnpg-teleport";
import type { AppSettings } from "./settings";

export const WAYS = ["secret", "tbot", "vault"] as const;
type Way = (typeof WAYS)[number];

/** How the application reaches its database. */
export type Access =
  | { by: "secret"; host: string; port: number; database: string; secret: string; serverCa: string }
  | {
      by: "tbot";
      workload: MachineIdOutputs;
      database: string;
      generation: TbotPodSettings["generation"];
      sidecar: Sidecar;
    }
  | {
      by: "vault";
      database: VaultDatabaseOutputs;
      role: string;
      address: string;
      namespace: string | undefined;
      sidecar: Sidecar;
    };

export interface Sidecar {
  image: string;
  /** In PEM. */
  trustedCa: string | undefined;
}

/** The outputs of the platform's stack. They have no types, because the setting can name any stack. */
export interface PlatformOutputs {
  databases: unknown;
  applications?: unknown;
}

/** A database of the platform. `vaultDatabase` is set if users from Vault are declared. */
type PlatformDatabase = PostgresClusterOutputs & { vaultDatabase?: VaultDatabaseOutputs };

/** Where the application runs and how it reaches its database; undefined if there are problems. */
type Found = { namespace: string; access: Access } | undefined;

export function isAccess(way: string): way is Way {
  return (WAYS as readonly string[]).includes(way);
}

export function accessOf(way: Way, settings: AppSettings, outputs: PlatformOutputs, problems: string[]): Found {
  return { secret: bySecret, tbot: byTbot, vault: byVault }[way](settings, outputs, problems);
}

function bySecret(settings: AppSettings, { databases }: PlatformOutputs, problems: string[]): Found {
  const { namespace, credentialsSecret } = settings;
  const database = namedOf<PlatformDatabase>("databases", "database", settings, databases, problems);
  if (!database) return undefined;
  if (namespace !== undefined && namespace !== database.namespace && credentialsSecret === undefined) {
    problems.push(
      `namespace = ${namespace}: pods can read only Secrets of their own namespace, and ${database.ownerSecret} is in ` +
        `${database.namespace}. Remove namespace, or have the Secret copied (e.g. by External Secrets) and write the name of ` +
        `the copy into credentialsSecret.`,
    );
  }
  return {
    namespace: namespace ?? database.namespace,
    access: {
      by: "secret",
      host: database.hostReadWrite,
      port: database.port,
      database: database.database,
      secret: credentialsSecret ?? database.ownerSecret,
      serverCa: database.serverCa,
    },
  };
}

function byTbot(settings: AppSettings, { applications }: PlatformOutputs, problems: string[]): Found {
  const { database, sidecarImage, trustedCa, tbotGeneration: generation = "17" } = settings;
  if (settings.application === undefined)
    problems.push("application: is missing. Write the application's name in the platform's stack.");
  if (sidecarImage === undefined) {
    problems.push(
      "sidecarImage: is missing. Name an image with tbot in the version of your Teleport cluster, or older.",
    );
  }
  const workload = namedOf<MachineIdOutputs>("applications", "application", settings, applications, problems);
  if (!workload || sidecarImage === undefined) return undefined;
  if (!Object.hasOwn(workload.databases, database)) {
    const names = Object.keys(workload.databases).join(", ");
    problems.push(`database = ${database}: is not a database of ${settings.application}. Use one of these: ${names}.`);
  }
  const namespace = placeOf(settings, workload.join.namespace, problems);
  if (namespace === undefined) {
    const { method, secret } = workload.join;
    const which = secret === undefined ? "in which the application runs" : `that has the Secret ${secret}`;
    problems.push(
      `namespace: is missing. Name the namespace ${which}: the join method ${method} does not determine it.`,
    );
    return undefined;
  }
  const sidecar = { image: sidecarImage, trustedCa };
  return { namespace, access: { by: "tbot", workload, database, generation, sidecar } };
}

function byVault(settings: AppSettings, { databases }: PlatformOutputs, problems: string[]): Found {
  const { platform, vaultAddress, vaultNamespace, sidecarImage = "hashicorp/vault:1.21", trustedCa } = settings;
  const database = namedOf<PlatformDatabase>("databases", "database", settings, databases, problems);
  if (vaultAddress === undefined)
    problems.push("vaultAddress: is missing. Write the URL at which the pods reach Vault.");
  if (!database) return undefined;
  const { vaultDatabase } = database;
  if (!vaultDatabase) {
    problems.push(
      `database = ${settings.database}: has no users from Vault in ${platform}. Declare vaultDatabase there.`,
    );
    return undefined;
  }
  const open = Object.keys(vaultDatabase.roles).filter((name) => vaultDatabase.roles[name]?.login);
  const role = settings.vaultRole ?? (open.length === 1 ? open[0] : undefined);
  const login = role !== undefined && open.includes(role) ? vaultDatabase.roles[role]?.login : undefined;
  if (role === undefined || !login) {
    const given = settings.vaultRole === undefined ? "" : ` = ${settings.vaultRole}`;
    problems.push(
      `vaultRole${given}: must be a role with which an application can log in. Use one of these: ${open.join(", ") || "none"}.`,
    );
    return undefined;
  }
  const namespace = placeOf(settings, login.namespace, problems) ?? login.namespace;
  if (vaultAddress === undefined) return undefined;
  return {
    namespace,
    access: {
      by: "vault",
      // Vault may reach the database at another host than the pods.
      database: { ...vaultDatabase, host: database.hostReadWrite, port: database.port },
      role,
      address: vaultAddress,
      namespace: vaultNamespace,
      sidecar: { image: sidecarImage, trustedCa },
    },
  };
}

/** The namespace of the application. The platform may give access only to pods of one namespace. */
function placeOf({ namespace }: AppSettings, bound: string | undefined, problems: string[]): string | undefined {
  if (namespace !== undefined && bound !== undefined && namespace !== bound) {
    problems.push(`namespace = ${namespace}: the platform gives access only to pods in ${bound}. Remove this setting.`);
  }
  return namespace ?? bound;
}

/** The value that an output has under the name in a setting. */
function namedOf<Value>(
  output: keyof PlatformOutputs,
  setting: "database" | "application",
  settings: AppSettings,
  values: unknown,
  problems: string[],
): Value | undefined {
  const { platform, [setting]: name } = settings;
  if (values === null || typeof values !== "object") {
    problems.push(
      `platform = ${platform}: has no output "${output}". Check the name (pulumi stack ls --all), and run \`pulumi up\` in that stack.`,
    );
    return undefined;
  }
  if (name === undefined) return undefined;
  const known = values as Record<string, Value>;
  if (Object.hasOwn(known, name)) return known[name];
  const names = Object.keys(known).join(", ") || "none";
  const what = output === "databases" ? "Databases" : "Applications";
  problems.push(`${setting} = ${name}: is not in ${platform}. ${what} there: ${names}.`);
  return undefined;
}
