/**
 * The settings of an application's access through Teleport and their checks, its names in Teleport, and the outputs for
 * its pods. Values that are not known yet are checked once they are known. Pure.
 */
import { isCheckedByTeleport, type JoinRules, checkTrust, checkJoinRules } from "../teleport/resources/join-token";
import { botAccountName } from "../teleport/resources/bot";
import { parseDuration } from "../durations";
import type { SettingProblem } from "../problems";
import { isPort, MAX_PORT } from "../value-check";
import { checkDatabaseRoles, checkDatabaseUsers } from "../teleport/resources/access-role";

/** A database that the application may use, and the PostgreSQL user. */
export interface WorkloadDatabase {
  /** Name of the database in Teleport: one of `teleportDatabases` in the platform's outputs. */
  service: string;
  /**
   * Labels that this database has in Teleport and no other database has, e.g. `environment`, `cluster`, `namespace`
   * and `sql_type`. The role opens only databases with these labels. Becomes `allow.db_labels`.
   */
  labels: Record<string, string | string[]>;
  /** Database in PostgreSQL. Becomes `allow.db_names`. */
  database: string;
  /**
   * Existing PostgreSQL user to log in as. Becomes `allow.db_users`. Default: a user that Teleport creates for the
   * application, with `roles`.
   */
  user?: string;
  /**
   * Auto user provisioning, instead of `user`: PostgreSQL roles of the user `bot-<name>`, which Teleport creates at
   * login. Becomes `allow.db_roles` with `create_db_user_mode: keep`. Needs an admin user in the database:
   * `autoUsers`.
   */
  roles?: string[];
  /**
   * Port of the database on localhost. Default: 5432 and the following ports, in the alphabetical order of the
   * application's names for its databases. A database that is added later can change the default ports of others.
   * Pods that use `environment` follow the change. Set the port if a program has it hard-coded.
   */
  port?: number;
}

/** How the application's pods prove their identity. */
export type WorkloadJoin =
  /**
   * By their service account. Needs a newer Teleport than 13: Teleport 13 lets agents join this way, but refuses bots
   * after it has checked the account (`supportedBotJoinMethods` of lib/auth/bot.go), and its tbot does not renew such
   * certificates.
   */
  | {
      method: "kubernetes";
      /** Namespace of the application. */
      namespace: string;
      /** Service account of its pods. Anyone who may create pods in the namespace can use it. */
      serviceAccount: string;
      /**
       * The cluster's signing keys, as `kubectl get --raw /openid/v1/jwks` prints them. For a cluster that Teleport does
       * not run in. Update them when the cluster changes its keys, or use `oidcIssuer`. Becomes `type: static_jwks`.
       * Default: none, so Teleport asks the cluster that it runs in.
       */
      jwks?: string;
      /**
       * The cluster's issuer, where Teleport looks up the signing keys. Use it in place of `jwks` for clusters that have a
       * public issuer (EKS, AKS, GKE), some of which change their keys by themselves (EKS). Becomes `type: oidc`; Teleport
       * ≥ 17.7.3 or ≥ 18.1.5. Default: none, so Teleport asks the cluster that it runs in.
       */
      oidcIssuer?: string;
      /**
       * Only with `jwks` or `oidcIssuer`: name of the Teleport cluster (`tctl status`). It is the audience of the
       * service account's token. Default: the host name of the proxy, which is the name of most clusters.
       */
      teleportCluster?: string;
    }
  /**
   * By the platform that they run on, e.g. iam. This is the identity of the machine, so every pod on the machine has
   * it.
   */
  | Exclude<JoinRules, { method: "kubernetes" }>
  /**
   * By a secret token that someone else created (`tctl bots add`, or `tctl tokens add --type=bot`) and stored in a
   * Secret in the application's namespace. This program only refers to the Secret and creates no token. The token
   * works for one start of one pod. The pod then renews its certificates with the ones that it has, which are kept in
   * the pod's memory while its containers restart. Use it for Teleport 13 on platforms that cannot prove an identity.
   * Teleport 13 allows a bot one such start in its lifetime: use one replica, and create the bot again when the pod
   * is created again (`validateGenerationLabel` of lib/auth/bot.go).
   */
  | {
      method: "token";
      /** Name of the Secret. */
      secret: string;
      /** Key in the Secret. Default: `token`. */
      key?: string;
    };

/** An application and the databases that it may use. */
export interface MachineIdSettings {
  /** Name of the bot and of its join token, and prefix of its roles' names. Must be unique in the Teleport cluster. */
  name: string;
  /** `host:port` of Teleport's proxy, as the pods reach it. */
  proxy: string;
  join: WorkloadJoin;
  /** Databases, by the application's own name for each. */
  databases: Record<string, WorkloadDatabase>;
  /**
   * How long a certificate of the application is valid, in hours, minutes and seconds, e.g. `1h30m`: from one minute to 12
   * hours. Teleport issues none that is valid for longer. A deleted application loses its access after this time at the
   * latest. Becomes `options.max_session_ttl` and tbot's `credential_ttl` (`certificate_ttl` before 17.3). Default: `1h`.
   */
  certificateTtl?: string;
  /**
   * How often the certificate is renewed, in hours, minutes and seconds. Becomes `renewal_interval`. Default: a third of
   * `certificateTtl`.
   */
  renewalInterval?: string;
  /**
   * Teleport closes connections when the certificate that opened them expires. So a deleted application also loses
   * its open connections. Connection pools must reconnect, as after a failover. A statement that runs at that moment
   * runs to its end in PostgreSQL, but its result is lost. Becomes `disconnect_expired_cert`. Default: true.
   */
  endExpiredSessions?: boolean;
}

/** Outputs for the pods of an application. They contain no secret. */
export interface MachineIdOutputs {
  /** Name of the bot. */
  bot: string;
  /** `host:port` of Teleport's proxy. */
  proxy: string;
  /** How the pods join. */
  join: {
    /** The declared method. */
    method: WorkloadJoin["method"];
    /** Name of the join token in Teleport. For the method `token`: path at which the Secret is mounted. */
    token: string;
    /** Namespace of the pods, for the method `kubernetes`. */
    namespace?: string;
    /** Service account of the pods, for the method `kubernetes`. */
    serviceAccount?: string;
    /**
     * Whether Teleport checks the service account's token itself. Otherwise Teleport asks the Kubernetes cluster that
     * it runs in.
     */
    staticKeys?: boolean;
    /** Audience of the service account's token, if Teleport checks it itself: the name of the Teleport cluster. */
    audience?: string;
    /** Name of the Secret with the token, for the method `token`. */
    secret?: string;
    /** Key in that Secret. */
    key?: string;
  };
  /** Databases, by the application's own name for each. */
  databases: Record<
    string,
    {
      /** Name of the database in Teleport. */
      service: string;
      /** Database in PostgreSQL. */
      database: string;
      /** PostgreSQL user. */
      user: string;
      /** Role in Teleport that opens this database. */
      role: string;
      /** Port on localhost. */
      port: number;
    }
  >;
  /** How long a certificate is valid, in hours, minutes and seconds, e.g. `1h30m`. */
  certificateTtl: string;
  /** How often the certificate is renewed, in hours, minutes and seconds. */
  renewalInterval: string;
}

/** Folder at which tbot mounts the Secret with the join token. */
export const JOIN_TOKEN_FOLDER = "/var/run/secrets/cnpg-teleport/join";
const FIRST_PORT = 5432;
const DEFAULT_TTL = "1h";
const DEFAULT_TOKEN_KEY = "token";

/** Name of the role that opens one database to an application. */
export function workloadRole(name: string, alias: string): string {
  return `${name}-${alias}`;
}

/** Lifetime of certificates and renewal interval, in Go's notation. */
export function certificateTimes({
  certificateTtl = DEFAULT_TTL,
  renewalInterval,
}: Pick<MachineIdSettings, "certificateTtl" | "renewalInterval">): { certificateTtl: string; renewalInterval: string } {
  const third = Math.floor((parseDuration(certificateTtl) ?? 0) / 3_000);
  return { certificateTtl, renewalInterval: renewalInterval ?? `${third}s` };
}

/** The port of each database on localhost. */
export function localPorts(databases: Record<string, Pick<WorkloadDatabase, "port">>): Record<string, number> {
  const taken = new Set(Object.values(databases).flatMap(({ port }) => port ?? []));
  let next = FIRST_PORT;
  const free = () => {
    while (taken.has(next)) next++;
    taken.add(next);
    return next;
  };
  const inOrder = Object.entries(databases).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(inOrder.map(([alias, { port }]) => [alias, port ?? free()]));
}

/** The rules of the join token; undefined if no token is created. */
export function joinRules(join: WorkloadJoin): JoinRules | undefined {
  if (join.method === "token") return undefined;
  if (join.method !== "kubernetes") return join;
  const { namespace, serviceAccount, jwks, oidcIssuer } = join;
  return {
    method: "kubernetes",
    serviceAccounts: [`${namespace}:${serviceAccount}`],
    ...(jwks === undefined ? {} : { jwks }),
    ...(oidcIssuer === undefined ? {} : { oidcIssuer }),
  };
}

/** The PostgreSQL user that an application logs in as. */
export function databaseUser(name: string, { user }: WorkloadDatabase): string {
  return user ?? botAccountName(name);
}

/** The outputs for the application's pods. */
export function machineIdOutputs(settings: MachineIdSettings): MachineIdOutputs {
  const { name, proxy, join, databases } = settings;
  const ports = localPorts(databases);
  return {
    bot: name,
    proxy,
    join: joinOutput(name, proxy, join),
    databases: Object.fromEntries(
      Object.entries(databases).map(([alias, database]) => [
        alias,
        {
          service: database.service,
          database: database.database,
          user: databaseUser(name, database),
          role: workloadRole(name, alias),
          port: ports[alias] ?? FIRST_PORT,
        },
      ]),
    ),
    ...certificateTimes(settings),
  };
}

function joinOutput(name: string, proxy: string, join: WorkloadJoin): MachineIdOutputs["join"] {
  switch (join.method) {
    case "token": {
      const { secret, key = DEFAULT_TOKEN_KEY } = join;
      return { method: "token", token: `${JOIN_TOKEN_FOLDER}/${key}`, secret, key };
    }
    case "kubernetes": {
      const { namespace, serviceAccount, teleportCluster } = join;
      const staticKeys = isCheckedByTeleport(join);
      const audience = staticKeys ? { audience: teleportCluster ?? hostOf(proxy) } : {};
      return { method: "kubernetes", token: name, namespace, serviceAccount, staticKeys, ...audience };
    }
    default:
      return { method: join.method, token: name };
  }
}

/** `teleport.example.com` of `teleport.example.com:443`. */
function hostOf(proxy: string): string {
  return proxy.replace(/:\d+$/, "");
}

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

/** Lower ports need a right that containers usually do not have. */
const LOWEST_PORT = 1024;

function checkPorts(setting: string, databases: MachineIdSettings["databases"]): SettingProblem[] {
  const taken = new Set<number>();
  return Object.entries(databases).flatMap(([alias, { port }]) => {
    if (port === undefined) return [];
    const isDuplicate = taken.has(port);
    taken.add(port);
    if (isPort(port, LOWEST_PORT) && !isDuplicate) return [];
    const allowed = `from ${LOWEST_PORT} to ${MAX_PORT}`;
    const problem = isDuplicate ? "is the port of another database" : `must be a port ${allowed}`;
    return [
      {
        setting: `${setting}.databases.${alias}.port`,
        value: port,
        problem,
        fix: `Choose a free port ${allowed}.`,
      },
    ];
  });
}
