/**
 * Static registration: databases that an agent serves by its own configuration, without a registration in Teleport's
 * backend. They come and go with the agent, and Teleport knows no owner of them. Plain objects for the chart
 * teleport-kube-agent, and for an agent's `teleport.yaml` (JSON is YAML). Pure.
 */
import { checkTeleportName } from "./names";
import { refuse, SettingProblem } from "../problems";
import type { DatabaseSettings } from "./resources/database-document";
import { databaseAdminUser } from "./resources/database-document";
import { checkDynamicLabels, checkLabels } from "./resources/labels";

/** A database in an agent's own configuration. The agent reads the server's CA from a file. */
export interface StaticDatabase extends Omit<DatabaseSettings, "caCert"> {
  /** Path of the CA, in PEM, as the agent sees it. Becomes `tls.ca_cert_file`. Default: none, as for `caCert`. */
  caCertFile?: string;
}

/** A Secret or a ConfigMap, in the agent's namespace, with the server's CA in PEM. */
export type CaSource = { secret: string; key?: string } | { configMap: string; key?: string };

/** A database in the chart's values. The CA is mounted into the agent's pods, so that a renewed one needs no upgrade. */
export interface ChartDatabase extends Omit<DatabaseSettings, "caCert"> {
  /** Where the server's CA is. Default of `key`: `ca.crt`. Default: none, as for `caCert`. */
  ca?: CaSource;
}

/** How an agent joins. */
export type AgentJoin =
  | {
      /** By its platform; see TeleportJoinToken. */
      method: "kubernetes" | "iam" | "gcp" | "azure";
      /** Name of the join token in Teleport. */
      tokenName: string;
    }
  | {
      /** By a secret token. */
      method: "token";
      /** For the chart, the name of the Secret that has it in `auth-token`; else the path of a file. */
      secret: string;
    };

export interface AgentSettings<Database> {
  /** `host:port` of Teleport's proxy. */
  proxy: string;
  join: AgentJoin;
  /** Databases to serve by configuration. */
  databases?: readonly Database[];
  /** Labels of registered databases to serve as well: one of these sets must match. Default: none. */
  resources?: readonly Record<string, string | string[]>[];
}

const CA_FOLDER = "/etc/teleport-tls-db";
const CA_KEY = "ca.crt";

/**
 * Values for the chart `teleport-kube-agent` (13 and newer). Merge them with others of the chart's.
 *
 * @throws SettingsError with every problem found
 */
export function kubeAgentValues(settings: AgentSettings<ChartDatabase>): Record<string, unknown> {
  const { databases = [], resources = [], join } = settings;
  refuse(checkAgent(settings));
  const volumes = databases.flatMap((database, index) => caVolume(database, `ca-${index}`) ?? []);
  return {
    roles: "db",
    proxyAddr: settings.proxy,
    ...(join.method === "token"
      ? { joinParams: { method: "token", tokenName: "" }, joinTokenSecret: { create: false, name: join.secret } }
      : { joinParams: { method: join.method, tokenName: join.tokenName } }),
    ...(databases.length > 0
      ? { databases: databases.map((database) => staticDatabase({ ...database, caCertFile: caFile(database) })) }
      : {}),
    ...(resources.length > 0 ? { databaseResources: resources.map((labels) => ({ labels })) } : {}),
    ...(volumes.length > 0
      ? {
          extraVolumes: volumes.map(({ volume }) => volume),
          extraVolumeMounts: volumes.map(({ mount }) => mount),
        }
      : {}),
  };
}

/**
 * `teleport.yaml` of an agent that runs elsewhere: on a machine, or by manifests of one's own.
 *
 * @throws SettingsError with every problem found
 */
export function agentConfiguration(settings: AgentSettings<StaticDatabase>): Record<string, unknown> {
  const { databases = [], resources = [], join } = settings;
  refuse(checkAgent(settings));
  return {
    version: "v3",
    teleport: {
      proxy_server: settings.proxy,
      // Where the token is a secret, Teleport takes a path for it, and reads the file.
      join_params: { method: join.method, token_name: join.method === "token" ? join.secret : join.tokenName },
    },
    auth_service: { enabled: false },
    proxy_service: { enabled: false },
    ssh_service: { enabled: false },
    db_service: {
      enabled: true,
      ...(databases.length > 0 ? { databases: databases.map(staticDatabase) } : {}),
      ...(resources.length > 0 ? { resources: resources.map((labels) => ({ labels })) } : {}),
    },
  };
}

/** An entry of `db_service.databases`. Agents refuse fields that they do not know: what is not set is left out. */
export function staticDatabase(database: StaticDatabase): Record<string, unknown> {
  const { name, description, labels = {}, dynamicLabels = {}, uri, tlsMode, serverName, caCertFile } = database;
  const { adminUser, trustSystemPool } = database;
  const computed = Object.entries(dynamicLabels).map(([label, { command, period }]) => ({
    name: label,
    command,
    period,
  }));
  return {
    name,
    ...(description ? { description } : {}),
    protocol: "postgres",
    uri,
    ...(Object.keys(labels).length > 0 ? { static_labels: labels } : {}),
    ...(computed.length > 0 ? { dynamic_labels: computed } : {}),
    tls: {
      mode: tlsMode ?? "verify-full",
      ...(caCertFile ? { ca_cert_file: caCertFile } : {}),
      ...(serverName ? { server_name: serverName } : {}),
      ...(trustSystemPool ? { trust_system_cert_pool: true } : {}),
    },
    ...(adminUser ? { admin_user: databaseAdminUser(adminUser) } : {}),
  };
}

/** All that is wrong with an agent's settings. */
function checkAgent({
  databases = [],
  resources = [],
}: AgentSettings<ChartDatabase | StaticDatabase>): SettingProblem[] {
  const taken = new Set<string>();
  return [
    ...(databases.length > 0 || resources.length > 0
      ? []
      : [{ setting: "databases", problem: "is empty", fix: "Name databases, or resources to serve by their labels." }]),
    ...databases.flatMap((database, index) => {
      const path = `databases[${index}]`;
      const isTwice = taken.has(database.name);
      taken.add(database.name);
      return [
        ...checkTeleportName(`${path}.name`, database.name),
        ...(isTwice
          ? [
              {
                setting: `${path}.name`,
                value: database.name,
                problem: "is there twice",
                fix: "Rename one of the two.",
              },
            ]
          : []),
        ...checkLabels(`${path}.labels`, database.labels),
        ...checkDynamicLabels(`${path}.dynamicLabels`, database.dynamicLabels),
      ];
    }),
  ];
}

function caFile({ name, ca }: ChartDatabase): string | undefined {
  return ca && `${CA_FOLDER}/${name}/${ca.key ?? CA_KEY}`;
}

/** `volume`: not the database's name, which may be longer than Kubernetes allows here with a prefix. */
function caVolume({ name, ca }: ChartDatabase, volume: string) {
  if (!ca) return undefined;
  const source = "secret" in ca ? { secret: { secretName: ca.secret } } : { configMap: { name: ca.configMap } };
  return {
    volume: { name: volume, ...source },
    mount: { name: volume, mountPath: `${CA_FOLDER}/${name}`, readOnly: true },
  };
}
