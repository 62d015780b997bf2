/** The settings of a database in Vault that a PostgresCluster creates. Pure. */
import { checkHost, coversHost } from "../certificates/alt-names";
import { SettingProblem } from "../problems";
import { checkVaultDatabase } from "./check";
import type { VaultDatabasePlan } from "./plan";
import type { VaultDatabaseArgs } from "./vault-database-args";

/** Short-lived users of the application's database, created by Vault's database secrets engine. */
export interface VaultDatabaseOfCluster extends Omit<VaultDatabaseArgs, "database" | "uid" | "kubernetes"> {
  /**
   * Host at which Vault reaches the primary: a name that Vault can resolve, or an IP address, without a port. The
   * server's certificate must include it. For a Vault outside of the Kubernetes cluster, use one of `serverAltNames`.
   * Default: the Service of the primary.
   */
  host?: string;
  /** Port at which Vault reaches the primary. Default: 5432. */
  port?: number;
  /** Name of the connection in Vault. Default: `<cluster>-<environment>`. */
  connection?: string;
}

/** Returns every problem of the settings. */
export function checkVaultDatabaseOfCluster(
  setting: string,
  settings: VaultDatabaseOfCluster,
  { connection, mount }: VaultDatabasePlan,
  { serverAltNames = [] }: { serverAltNames?: string[] },
): SettingProblem[] {
  const { host, port = 5432 } = settings;
  return [
    ...checkVaultDatabase(setting, { ...settings, connection, mount: mount.path }),
    ...(host === undefined ? [] : checkHostOf(`${setting}.host`, host, serverAltNames)),
    ...(Number.isInteger(port) && port > 0 && port < 65_536
      ? []
      : [
          {
            setting: `${setting}.port`,
            value: port,
            problem: "must be a port number",
            fix: "Use a whole number from 1 to 65535.",
          },
        ]),
  ];
}

function checkHostOf(setting: string, host: string, serverAltNames: readonly string[]): SettingProblem[] {
  const problems = checkHost(setting, host);
  if (problems.length > 0 || coversHost(serverAltNames, host)) return problems;
  const problem = "is not in the server's certificate, so Vault would refuse to connect";
  return [{ setting, value: host, problem, fix: "Add this host to serverAltNames." }];
}
