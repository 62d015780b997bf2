/** The configuration of the lab's Teleport: auth and proxy in one process, and optionally an agent. Pure. */
import { PROVISIONED_BY } from "../../components/teleport/program-roles";

export interface TeleportServer {
  nodename: string;
  /** Name of the Teleport cluster. */
  clusterName: string;
  /** Folder of its data. */
  data: string;
  /** `host:port` at which the auth service listens. */
  auth: string;
  /** `host:port` at which the proxy listens. */
  proxy: string;
  /** `host:port` that Teleport publishes to clients. Default: the address at which the proxy listens. */
  publicAddress?: string;
  /** Paths of the proxy's certificate, of a CA that SSL_CERT_FILE names, and of its key. */
  certificate: string;
  key: string;
  /** Static join tokens, `<kind>:<token>`. */
  tokens?: string[];
  /** Runs an agent in the same process, for databases with the program's label. Default: none. */
  agent?: boolean;
  /** Overrides the configuration, section by section: `{ auth_service: { connection_limits: … } }`. */
  sections?: Record<string, Record<string, unknown>>;
}

/** `teleport.yaml` as JSON, which is valid YAML. */
export function teleportConfiguration(server: TeleportServer): string {
  const document: Record<string, unknown> = {
    version: "v3",
    teleport: {
      nodename: server.nodename,
      data_dir: server.data,
      log: { output: "stderr", severity: "INFO" },
    },
    auth_service: {
      enabled: "yes",
      listen_addr: server.auth,
      cluster_name: server.clusterName,
      authentication: { type: "local", second_factor: "off" },
      proxy_listener_mode: "multiplex",
      ...(server.tokens ? { tokens: server.tokens } : {}),
    },
    proxy_service: {
      enabled: "yes",
      web_listen_addr: server.proxy,
      public_addr: server.publicAddress ?? server.proxy,
      // With Teleport's self-signed default certificate the agent cannot open its tunnel.
      https_keypairs: [{ key_file: server.key, cert_file: server.certificate }],
    },
    ssh_service: { enabled: "no" },
    ...(server.agent ? { db_service: agentService } : {}),
  };
  for (const [section, settings] of Object.entries(server.sections ?? {}))
    document[section] = { ...(document[section] as object | undefined), ...settings };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The agent's part: it serves every database with the program's label. */
export const agentService = { enabled: "yes", resources: [{ labels: PROVISIONED_BY }] };
