/** Vault's connection, and the password of Vault's user on its way to it. */
import { MAINTENANCE_DATABASE, sqlInPrimary } from "../postgres/psql";
import type { KubernetesClient } from "../kubernetes/client";
import { VaultError } from "../vault/errors";
import { AdminInputs, AdminState, configPath, connectionOf, referenceOf } from "./admin-inputs";
import { connectionDocument, isSameConnection } from "./connection";
import { passwordScript, passwordStaysScript } from "./role-scripts";
import { newPassword, scramVerifier } from "./scram";
import type { VaultEngine } from "./vault-engine";

/** What PostgreSQL says to a wrong password, through Vault; 28P01 is invalid_password. */
const WRONG_PASSWORD = /password authentication failed|28P01/;

/** A connection is overwritten only if it is for the same database and user, as after a create that was interrupted. */
export async function refuseForeign(engine: VaultEngine, inputs: AdminInputs): Promise<void> {
  if (inputs.ownsMount) return;
  const found = await engine.read(configPath(inputs));
  if (!found || isSameConnection(connectionOf(inputs), found)) return;
  throw new VaultError(
    "failed",
    `Vault has a connection ${configPath(inputs)} already, to another database. Choose another name by connection, or delete that one.`,
  );
}

/** Writes the connection as declared; false where Vault's password is not that of its user any more. */
export async function keepPassword(engine: VaultEngine, state: AdminState): Promise<boolean> {
  try {
    await engine.write(configPath(state), connectionDocument(connectionOf(state)));
    return true;
  } catch (error) {
    if (error instanceof VaultError && WRONG_PASSWORD.test(error.message)) return false;
    throw error;
  }
}

/**
 * A password that nobody knows: Vault gets one that is known here alone, logs in with it, and replaces it by one of its
 * own. Where that fails, nothing is left that works with the first: the next run begins anew. Where this process is killed
 * in between, the first ends by itself, and the next run sees that it was not for good.
 */
export async function handPasswordOver(
  engine: VaultEngine,
  kubernetes: KubernetesClient,
  state: AdminState,
): Promise<void> {
  const password = newPassword();
  const sql = (script: string) => sqlInPrimary(kubernetes, referenceOf(state), MAINTENANCE_DATABASE, script);
  await sql(passwordScript(state.names, scramVerifier(password)));
  try {
    await engine.write(configPath(state), connectionDocument(connectionOf(state), password));
    await engine.write(`${state.mount}/rotate-root/${state.connection}`, {});
    await sql(passwordStaysScript(state.names));
  } catch (error) {
    await engine.remove(configPath(state)).catch(() => {});
    await sql(passwordScript(state.names, undefined)).catch(() => {});
    throw error;
  }
}
