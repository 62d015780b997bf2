/**
 * The parts of an application's pods that reach its databases through Teleport: plain objects for a ConfigMap and a
 * pod's spec, to be merged with the application's own. Pure.
 */
import { createHash } from "node:crypto";
import { refuse, SettingProblem } from "../problems";
import { tbotBefore15 } from "./before-15/tbot"; // Teleport 13 and 14
import { MachineIdOutputs } from "./machine-id";
import type { Container, PodPart } from "./pod-part";
import {
  CERTIFICATE_FILES,
  CERTIFICATES_FOLDER,
  certificateFolder,
  DIAGNOSTICS_PORT,
  tbotConfiguration,
  PREFIX,
  tbotContainer,
  TbotContainerSettings,
  variables,
  volumes,
} from "./tbot";

export interface TbotPodSettings extends TbotContainerSettings {
  /**
   * `host:port` at which the proxy accepts PostgreSQL clients, for mode `certificate`, if Teleport has
   * `postgres_public_addr`. Default: the address of the proxy.
   */
  databaseAddress?: string;
}

/**
 * Parts of a pod. `environment` has libpq's variables: in mode `tunnel` for a database on localhost, with a dummy
 * password; in mode `certificate` for Teleport's proxy, with the files of `volumeMounts`.
 */
export type TbotPod = PodPart;

/**
 * libpq sends a password only if the server asks for one, which Teleport does not do. Some drivers require one
 * anyway.
 */
const DUMMY_PASSWORD = "unused";
/**
 * Returns the ConfigMap, sidecars, volumes and environment of an application.
 *
 * @throws SettingsError with every problem found
 */
export function tbotPod(workload: MachineIdOutputs, settings: TbotPodSettings): TbotPod {
  refuse(checkTbotPod(workload, settings));
  const { join, databases } = workload;
  const { configuration, containers } = tbotOf(workload, settings);
  const data = { "tbot.yaml": configuration };
  return {
    data,
    annotations: {
      [`${PREFIX}/configuration`]: createHash("sha256").update(data["tbot.yaml"]).digest("hex").slice(0, 16),
    },
    spec: {
      ...(join.serviceAccount === undefined ? {} : { serviceAccountName: join.serviceAccount }),
      automountServiceAccountToken: false,
      initContainers: containers,
      volumes: volumes(workload, settings),
    },
    environment: Object.fromEntries(
      Object.keys(databases).map((alias) => [alias, variables(libpqVariables(workload, alias, settings))]),
    ),
    volumeMounts:
      settings.mode === "certificate"
        ? [{ name: `${PREFIX}-certificates`, mountPath: CERTIFICATES_FOLDER, readOnly: true }]
        : [],
  };
}

/** tbot's configuration file, and its containers. */
function tbotOf(
  workload: MachineIdOutputs,
  settings: TbotPodSettings,
): { configuration: string; containers: Container[] } {
  if (settings.generation === "13") return tbotBefore15(workload, settings); // Teleport 13 and 14
  return { configuration: tbotConfiguration(workload, settings), containers: [tbotContainer(workload, settings)] };
}

/** What of the settings does not go with the application's identity. */
export function checkTbotPod({ join, databases }: MachineIdOutputs, settings: TbotPodSettings): SettingProblem[] {
  const { tokenAudience = join.audience, diagnosticsPort = DIAGNOSTICS_PORT } = settings;
  const taken = Object.values(databases).some(({ port }) => port === diagnosticsPort);
  return [
    ...(!join.staticKeys || tokenAudience
      ? []
      : [
          {
            setting: "tokenAudience",
            problem: "is missing. It is required if Teleport itself checks the tokens of service accounts",
            fix: "Set it to the name of the Teleport cluster. Or run `pulumi up` in the platform's stack: its outputs then include it.",
          },
        ]),
    ...(taken
      ? [
          {
            setting: "diagnosticsPort",
            value: diagnosticsPort,
            problem: "is the port of a database",
            fix: "Choose a port that no container of the pod uses.",
          },
        ]
      : []),
  ];
}

function libpqVariables(workload: MachineIdOutputs, alias: string, settings: TbotPodSettings): Record<string, string> {
  const { user = "", database = "", port = 0 } = workload.databases[alias] ?? {};
  const login = { PGUSER: user, PGDATABASE: database };
  if (settings.mode !== "certificate") {
    return {
      PGHOST: "127.0.0.1",
      PGPORT: String(port),
      ...login,
      PGPASSWORD: DUMMY_PASSWORD,
      PGSSLMODE: "disable", // only to localhost; the tunnel uses Teleport's TLS
    };
  }
  const address = settings.databaseAddress ?? workload.proxy;
  const colon = address.lastIndexOf(":");
  const file = (name: string) => `${certificateFolder(alias)}/${name}`;
  return {
    PGHOST: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
    PGPORT: address.slice(colon + 1),
    ...login,
    PGSSLMODE: "verify-full",
    PGSSLCERT: file(CERTIFICATE_FILES.certificate),
    PGSSLKEY: file(CERTIFICATE_FILES.key),
    PGSSLROOTCERT: file(CERTIFICATE_FILES.authorities),
  };
}
