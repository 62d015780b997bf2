/** tbot's configuration file, for the generations of tbot. Pure. */
import { MachineIdOutputs } from "./machine-id";

/**
 * Which tbot runs in the pods. The same as the Teleport cluster, or older.
 *
 * - `13`: configuration v1. tbot writes certificates to files, and a container beside it runs `tsh proxy db` with them.
 *   Connections end at each renewal: tsh reads a certificate only once.
 * - `15`: configuration v2 with `database-tunnel`: one container (teleport#39880), and connections last as long as the
 *   certificate that opened them. From the release that has `/readyz` (15.3) up to 17.2.
 * - `17`: the same; lifetimes are called `credential_ttl` from 17.3 on (teleport#51956), and `/readyz` says whether the
 *   tunnels are open (teleport#56306; before, that tbot has joined: the application may have to try again at its start).
 *
 * Only `13` was run against a real Teleport; the fields of the others are those of its source
 * (lib/tbot/config/service_database_tunnel.go, service_database.go and config.go).
 */
export type TbotGeneration =
  | "13" // Teleport 13 and 14
  | "15"
  | "17";

/** What the application gets. */
export type TbotMode =
  /** A port on localhost for each database. */
  | "tunnel"
  /**
   * Files for each database, in the folder `certificateFolder(alias)`: `tls.crt`, `tls.key`, and `tls.cas` (Teleport's
   * host CAs, which sign what its proxy presents to PostgreSQL's clients). libpq, and what speaks PostgreSQL's protocol
   * with a client certificate, connects with them to the proxy itself, with `sslmode=verify-full`.
   *
   * Wants more than a tunnel:
   * - The proxy must see the client's TLS: it tells PostgreSQL's clients apart on its web port by their first bytes
   *   (`muxPostgresOnWebPort` of lib/service), or on `postgres_listen_addr`: give that as `databaseAddress`. Behind a
   *   load balancer that ends TLS only the tunnel works, which wraps connections (`ALPNConnUpgradeRequired`).
   * - The files are for tbot's user alone (mode 0600, which libpq insists on): the application's container runs as
   *   `runAsUser` as well.
   * - New connections have to read the files anew, as libpq does: a pool that keeps a certificate it once read is shut
   *   out when it expires. The files are not changed all at once: a connection made in that moment fails, and is to be
   *   tried again.
   */
  | "certificate";

export interface TbotConfigurationSettings {
  generation: TbotGeneration;
  /** Default: `tunnel`. */
  mode?: TbotMode;
  /**
   * Port of the pod where tbot says how it is, for probes: no other container of the pod may have it. Becomes
   * `diag_addr`. Default: 3001.
   */
  diagnosticsPort?: number;
}

/** Where certificates are written: a folder for each database, in memory. */
export const CERTIFICATES_FOLDER = "/var/run/cnpg-teleport/certificates";
/** Where tbot keeps what it renews its certificates by, for the method `token`: in memory, until the pod ends. */
export const STORAGE_FOLDER = "/var/run/cnpg-teleport/storage";
export const DIAGNOSTICS_PORT = 3001;
/** The names under which tbot writes a certificate (`TemplateTLS` of its source). */
export const CERTIFICATE_FILES = { certificate: "tls.crt", key: "tls.key", authorities: "tls.cas" } as const;

/** The folder of a database's certificate. */
export function certificateFolder(alias: string): string {
  return `${CERTIFICATES_FOLDER}/${alias}`;
}

/** The content of `tbot.yaml`: JSON, which is YAML. */
export function tbotConfiguration(workload: MachineIdOutputs, settings: TbotConfigurationSettings): string {
  return `${JSON.stringify(versionTwo(workload, settings), null, 2)}\n`;
}

function versionTwo(
  workload: MachineIdOutputs,
  { generation, mode = "tunnel", diagnosticsPort = DIAGNOSTICS_PORT }: TbotConfigurationSettings,
): Record<string, unknown> {
  const { proxy, certificateTtl, renewalInterval } = workload;
  const databases = Object.entries(workload.databases);
  const access = ({ service, database, user, role }: MachineIdOutputs["databases"][string]) => ({
    roles: [role],
    service,
    database,
    username: user,
  });
  return {
    version: "v2",
    proxy_server: proxy,
    onboarding: onboarding(workload),
    storage: keepsIdentity(workload) ? { type: "directory", path: STORAGE_FOLDER } : { type: "memory" },
    ...(mode === "tunnel"
      ? {
          services: databases.map(([, database]) => ({
            type: "database-tunnel",
            listen: `tcp://127.0.0.1:${database.port}`,
            ...access(database),
          })),
        }
      : {
          outputs: databases.map(([alias, database]) => ({
            type: "database",
            format: "tls",
            destination: { type: "directory", path: certificateFolder(alias) },
            ...access(database),
          })),
        }),
    [generation === "15" ? "certificate_ttl" : "credential_ttl"]: certificateTtl,
    renewal_interval: renewalInterval,
    diag_addr: `0.0.0.0:${diagnosticsPort}`,
  };
}

/**
 * Whether tbot has to keep its identity over a restart of its container: a secret token is good for one start, all
 * other methods join anew.
 */
export function keepsIdentity({ join }: MachineIdOutputs): boolean {
  return join.method === "token";
}

/** How tbot joins. */
export function onboarding({ join }: MachineIdOutputs): Record<string, string> {
  return { join_method: join.method, token: join.token };
}
