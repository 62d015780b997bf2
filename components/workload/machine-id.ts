/**
 * What an application's way through Teleport is made of: its names in Teleport, and what its pods are told. Pure.
 */
import { isCheckedByTeleport } from "../teleport/resources/account-trust";
import { botAccountName } from "../teleport/resources/bot-document";
import { parseDuration } from "../go-duration";
import type { JoinRules } from "../teleport/resources/join-token-document";

/** A database that the application may use, and as whom. */
export interface WorkloadDatabase {
  /** Name of the database in Teleport: one of the platform's output `teleportDatabases`. */
  service: string;
  /**
   * Labels that the database carries in Teleport, and no other one does, e.g. `environment`, `cluster`, `namespace` and
   * `sql_type`. The role opens nothing else. Becomes `allow.db_labels`.
   */
  labels: Record<string, string | string[]>;
  /** Database in PostgreSQL. Becomes `allow.db_names`. */
  database: string;
  /**
   * PostgreSQL user to log in as, an existing one. Becomes `allow.db_users`. Default: one that Teleport makes for the
   * application, with `roles`.
   */
  user?: string;
  /**
   * Auto user provisioning, in place of `user`: PostgreSQL roles that the user `bot-<name>` becomes a member of, which
   * Teleport makes at login. Becomes `allow.db_roles` with `create_db_user_mode: keep`. Needs an admin user in the
   * database: `autoUsers`.
   */
  roles?: string[];
  /**
   * Port on localhost where the application finds it. Default: 5432, and the next ones, in the order of the
   * application's names for its databases: one that is added can move the others, which pods that take `environment`
   * follow. Name it where a program has it written down.
   */
  port?: number;
}

/** How the application's pods prove who they are. */
export type WorkloadJoin =
  /**
   * By their service account. Newer than Teleport 13, which lets agents join so, and refuses bots after it has checked
   * the account (`supportedBotJoinMethods` of lib/auth/bot.go; its tbot does not renew such certificates either).
   */
  | {
      method: "kubernetes";
      /** Namespace of the application. */
      namespace: string;
      /** Service account of its pods. Kubernetes lets whoever may make pods in the namespace use it. */
      serviceAccount: string;
      /**
       * The cluster's signing keys, as `kubectl get --raw /openid/v1/jwks` prints them. For a cluster that Teleport does
       * not run in. Update them when the cluster changes its keys, or use `oidcIssuer`. Becomes `type: static_jwks`.
       */
      jwks?: string;
      /**
       * The cluster's issuer, where Teleport looks up the signing keys. Use it in place of `jwks` for clusters that have a
       * public issuer (EKS, AKS, GKE), some of which change their keys by themselves (EKS). Becomes `type: oidc`; Teleport
       * ≥ 17.7.3 or ≥ 18.1.5.
       */
      oidcIssuer?: string;
      /**
       * Only with `jwks` or `oidcIssuer`: name of the Teleport cluster (`tctl status`), which is the audience of the service
       * account's token. Default: the host name of the proxy, which is most clusters' name.
       */
      teleportCluster?: string;
    }
  /** By the platform that they run on, e.g. iam; the machine's identity, so every pod on it has it. */
  | Exclude<JoinRules, { method: "kubernetes" }>
  /**
   * By a secret that somebody else made (`tctl bots add`, or `tctl tokens add --type=bot`) and put into a Secret beside
   * the application: here it is only referred to, and no token is made. It is good for one start of one pod, which then
   * renews its certificates by those that it has, kept in the pod's memory over restarts of its container: for Teleport
   * 13, where a platform proves nothing. Teleport 13 gives a bot one such start in its life: one replica, and a pod that
   * is made anew needs the bot made anew (`validateGenerationLabel` of lib/auth/bot.go).
   */
  | {
      method: "token";
      /** Name of the Secret. */
      secret: string;
      /** Key in it. Default: `token`. */
      key?: string;
    };

/** An application and the databases that it may use. */
export interface MachineIdSettings {
  /** Name of the bot and of its join token, and the beginning of its roles' names. Unique in the Teleport cluster. */
  name: string;
  /** `host:port` of Teleport's proxy, as the pods reach it. */
  proxy: string;
  join: WorkloadJoin;
  /** By the application's own name for each. */
  databases: Record<string, WorkloadDatabase>;
  /**
   * How long a certificate of the application is good, in Go's notation; Teleport gives none for longer. A deleted
   * application is shut out after that at the latest. From a minute to 12 hours. Becomes `options.max_session_ttl` and
   * tbot's `credential_ttl` (`certificate_ttl` before 17.3). Default: `1h`.
   */
  certificateTtl?: string;
  /** How often it is renewed. Becomes `renewal_interval`. Default: a third of `certificateTtl`. */
  renewalInterval?: string;
  /**
   * Teleport ends connections when the certificate that opened them expires, so that a deleted application loses those
   * as well; connection pools must reconnect, as they must after a failover. A statement that runs at that moment goes on
   * in PostgreSQL to its end, and nobody gets its result. Becomes `disconnect_expired_cert`. Default: true.
   */
  endExpiredSessions?: boolean;
}

/** What the pods of an application are told. Nothing in it is secret. */
export interface MachineIdOutputs {
  /** Name of the bot. */
  bot: string;
  /** `host:port` of Teleport's proxy. */
  proxy: string;
  /** How the pods join. */
  join: {
    /** As it was declared. */
    method: WorkloadJoin["method"];
    /** Name of the join token in Teleport; for the method `token`, where the Secret is mounted. */
    token: string;
    /** Namespace of the pods, for the method `kubernetes`. */
    namespace?: string;
    /** Service account that they run as, for the method `kubernetes`. */
    serviceAccount?: string;
    /** Whether Teleport checks the account's token itself. Otherwise it asks the cluster that it runs in. */
    staticKeys?: boolean;
    /** Audience of the account's token if Teleport checks it itself: the name of the Teleport cluster. */
    audience?: string;
    /** Secret with the token, for the method `token`. */
    secret?: string;
    /** Key in it. */
    key?: string;
  };
  /** By the application's own name for each. */
  databases: Record<
    string,
    {
      /** Name in Teleport. */
      service: string;
      /** Database in PostgreSQL. */
      database: string;
      /** PostgreSQL user. */
      user: string;
      /** Role in Teleport that opens it. */
      role: string;
      /** Port on localhost. */
      port: number;
    }
  >;
  /** How long a certificate is good, in Go's notation. */
  certificateTtl: string;
  /** How often it is renewed, in Go's notation. */
  renewalInterval: string;
}

/** Where the Secret with a join token is seen by tbot. */
export const JOIN_TOKEN_FOLDER = "/var/run/secrets/cnpg-teleport/join";
const FIRST_PORT = 5432;
const DEFAULT_TTL = "1h";
const DEFAULT_TOKEN_KEY = "token";

/** Name of the role that opens one database to an application. */
export function workloadRole(name: string, alias: string): string {
  return `${name}-${alias}`;
}

/** How long certificates are good, and how often they are renewed: in Go's notation. */
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

/** The rules of the join token; undefined where none is made. */
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

/** What the application's pods are told. */
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
