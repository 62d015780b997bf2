/**
 * tbot of Teleport 13 and 14: its configuration is of version 1, and it has no tunnels. It writes certificates to files, and
 * a container beside it runs `tsh proxy db` with them. Pure.
 */
import type { MachineIdOutputs } from "../machine-id";
import type { Container } from "../pod-part";
import {
  CERTIFICATES_FOLDER,
  certificateFolder,
  DIAGNOSTICS_PORT,
  keepsIdentity,
  onboarding,
  STORAGE_FOLDER,
  type TbotConfigurationSettings,
  casMount,
  container,
  PREFIX,
  SCRATCH,
  tbotContainer,
  type TbotContainerSettings,
  trust,
  variables,
} from "../tbot";

/** tbot looks its user up, so it must be one of the image's: `nobody` of Debian and Ubuntu. */
const DEFAULT_USER = 65_534;

/** The content of `tbot.yaml`, and the containers: tbot, and in mode `tunnel` one for each database. */
export function tbotBefore15(
  workload: MachineIdOutputs,
  { runAsUser = DEFAULT_USER, ...others }: TbotContainerSettings,
): { configuration: string; containers: Container[] } {
  const settings = { ...others, runAsUser };
  const tunnels = settings.mode === "certificate" ? [] : Object.keys(workload.databases);
  return {
    configuration: `${JSON.stringify(versionOne(workload, settings), null, 2)}\n`,
    containers: [
      withoutReadiness(tbotContainer(workload, settings), settings),
      ...tunnels.map((alias) => tunnelContainer(workload, alias, settings)),
    ],
  };
}

/**
 * tbot has no /readyz; its diagnostics answer once it has joined. It answers as long as it runs, which Kubernetes sees
 * without being told.
 */
function withoutReadiness(
  { livenessProbe: _livenessProbe, ...tbot }: Container,
  { diagnosticsPort = DIAGNOSTICS_PORT }: TbotConfigurationSettings,
): Container {
  const httpGet = { path: "/metrics", port: diagnosticsPort };
  return {
    ...tbot,
    startupProbe: { ...tbot.startupProbe, httpGet },
    readinessProbe: { ...tbot.readinessProbe, httpGet },
  };
}

/** tbot 13 takes the proxy as `auth_server` (lib/tbot/config of 13.3.8). */
function versionOne(
  workload: MachineIdOutputs,
  { diagnosticsPort = DIAGNOSTICS_PORT }: TbotConfigurationSettings,
): Record<string, unknown> {
  const { proxy, certificateTtl, renewalInterval } = workload;
  const directory = (path: string) => ({ path, symlinks: "insecure", acls: "off" });
  return {
    auth_server: proxy,
    onboarding: onboarding(workload),
    storage: keepsIdentity(workload) ? { directory: directory(STORAGE_FOLDER) } : { memory: {} },
    destinations: Object.entries(workload.databases).map(([alias, { service, database, user, role }]) => ({
      directory: directory(certificateFolder(alias)),
      roles: [role],
      configs: ["tls"],
      database: { service, database, username: user },
    })),
    certificate_ttl: certificateTtl,
    renewal_interval: renewalInterval,
    diag_addr: `0.0.0.0:${diagnosticsPort}`,
  };
}

/** The tunnel to one database, for tbot 13, which has none of its own. */
function tunnelContainer(workload: MachineIdOutputs, alias: string, settings: TbotContainerSettings): Container {
  const { service = "", database = "", user = "", port = 0 } = workload.databases[alias] ?? {};
  const probe = { exec: { command: ["grep", "-q", listening(port), "/proc/net/tcp"] } };
  return {
    ...container(`${PREFIX}-${alias}`, settings),
    command: ["sh", "-c", TUNNEL_SCRIPT],
    env: variables({
      ...trust(settings),
      HOME: SCRATCH,
      TELEPORT_HOME: `${SCRATCH}/${alias}`,
      FOLDER: certificateFolder(alias),
      PROXY: workload.proxy,
      PORT: String(port),
      DATABASE_USER: user,
      DATABASE_NAME: database,
      SERVICE: service,
    }),
    volumeMounts: [
      { name: `${PREFIX}-certificates`, mountPath: CERTIFICATES_FOLDER, readOnly: true },
      { name: `${PREFIX}-scratch`, mountPath: SCRATCH },
      ...casMount(settings),
    ],
    startupProbe: { ...probe, periodSeconds: 1, failureThreshold: 120 },
    readinessProbe: { ...probe, periodSeconds: 5 },
  };
}

/** A line of /proc/net/tcp: a socket of 127.0.0.1 that listens. */
function listening(port: number): string {
  return `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`;
}

/**
 * Runs a tunnel to one database with the certificate that tbot 13 writes. `tsh` loads the certificate when it starts,
 * and cannot renew a bot's certificate itself (teleport#36291). So the script restarts tsh for each new certificate,
 * which ends the connections through the tunnel. It does not restart tsh while the files are being written.
 *
 * All settings are environment variables, so that no name is interpreted by the shell.
 */
export const TUNNEL_SCRIPT = `set -u
tunnel=
trap 'test -n "$tunnel" && kill "$tunnel" 2>/dev/null; exit 0' TERM INT
written() { cat "$FOLDER/identity" "$FOLDER/key" "$FOLDER/tlscert" 2>/dev/null | cksum; }
pause() { sleep "$1" & wait $!; }
while :; do
  while [ ! -s "$FOLDER/identity" ]; do pause 1; done
  used=$(written)
  pause 1
  [ "$used" = "$(written)" ] || continue
  tsh --identity="$FOLDER/identity" --proxy="$PROXY" proxy db --tunnel --port="$PORT" \\
    --db-user="$DATABASE_USER" --db-name="$DATABASE_NAME" "$SERVICE" &
  tunnel=$!
  while kill -0 "$tunnel" 2>/dev/null && [ "$used" = "$(written)" ]; do pause 2; done
  kill "$tunnel" 2>/dev/null
  wait "$tunnel"
  tunnel=
done
`;
