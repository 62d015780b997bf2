/**
 * Static registration: databases that an agent serves because its own configuration names them, without a
 * registration in Teleport's backend. They appear and disappear with the agent, and have no owner in Teleport. The
 * functions return plain objects for the chart teleport-kube-agent and for an agent's `teleport.yaml` (JSON is valid
 * YAML). Pure.
 */
import { checkTeleportName, checkDynamicLabels, checkLabels } from "./names";
import { refuse, SettingProblem } from "../problems";
import type { DatabaseSettings } from "./resources/database";
import { databaseAdminUser } from "./resources/database";

/** A database in an agent's own configuration. The agent reads the server's CA from a file. */
export interface StaticDatabase extends Omit<DatabaseSettings, "caCert"> {
  /** Path of the CA, in PEM, as the agent sees it. Becomes `tls.ca_cert_file`. Default: none, as for `caCert`. */
  caCertFile?: string;
}

/** A Secret or a ConfigMap in the agent's namespace with the server's CA in PEM. */
export type CaSource = { secret: string; key?: string } | { configMap: string; key?: string };

/**
 * A database in the chart's values. The CA is mounted into the agent's pods, so a renewed CA needs no upgrade of the
 * chart.
 */
export interface ChartDatabase extends Omit<DatabaseSettings, "caCert"> {
  /** Secret or ConfigMap with the server's CA. Default of `key`: `ca.crt`. Default: none, as for `caCert`. */
  ca?: CaSource;
}

/** How an agent joins. */
export type AgentJoin =
  | {
      /** The platform on which the agent runs proves its identity. */
      method: "kubernetes" | "iam" | "gcp" | "azure";
      /** Name of the join token in Teleport. */
      tokenName: string;
    }
  | {
      /** A secret token. */
      method: "token";
      /**
       * For the chart: name of the Secret that has the token in `auth-token`. Otherwise: path of a file with the
       * token.
       */
      secret: string;
    };

export interface AgentSettings<Database> {
  /** `host:port` of Teleport's proxy. */
  proxy: string;
  join: AgentJoin;
  /** Databases that the configuration names. */
  databases?: readonly Database[];
  /** Sets of labels. The agent also serves registered databases that match one of these sets. Default: none. */
  resources?: readonly Record<string, string | string[]>[];
}

const CA_FOLDER = "/etc/teleport-tls-db";
const CA_KEY = "ca.crt";

/**
 * Values for the chart `teleport-kube-agent` (13 and newer). Merge them with the chart's other values.
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
 * `teleport.yaml` of an agent that runs elsewhere: on a machine, or in Kubernetes by your own manifests.
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
      // For a secret token, Teleport accepts a path and reads the token from that file.
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

/**
 * An entry of `db_service.databases`. Settings without a value are left out, because agents refuse fields that they
 * do not know.
 */
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

/** Returns every problem of an agent's settings. */
function checkAgent({
  databases = [],
  resources = [],
}: AgentSettings<ChartDatabase | StaticDatabase>): SettingProblem[] {
  const taken = new Set<string>();
  return [
    ...(databases.length > 0 || resources.length > 0
      ? []
      : [
          {
            setting: "databases",
            problem: "must not be empty",
            fix: "Name databases, or set resources to the labels of databases to serve.",
          },
        ]),
    ...databases.flatMap((database, index) => {
      const path = `databases[${index}]`;
      const isDuplicate = taken.has(database.name);
      taken.add(database.name);
      return [
        ...checkTeleportName(`${path}.name`, database.name),
        ...(isDuplicate
          ? [
              {
                setting: `${path}.name`,
                value: database.name,
                problem: "is a duplicate name",
                fix: "Rename one of the two databases.",
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

/** `volume` is not the database's name: with a prefix, that name can be longer than Kubernetes allows. */
function caVolume({ name, ca }: ChartDatabase, volume: string) {
  if (!ca) return undefined;
  const source = "secret" in ca ? { secret: { secretName: ca.secret } } : { configMap: { name: ca.configMap } };
  return {
    volume: { name: volume, ...source },
    mount: { name: volume, mountPath: `${CA_FOLDER}/${name}`, readOnly: true },
  };
}
