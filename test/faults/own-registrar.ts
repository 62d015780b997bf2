/**
 * A separate user in the lab's Teleport for a test, who may register everything that the program registers, including
 * bots.
 */
import { workloadRegistrarRole } from "../../components/teleport/program-roles";
import { attempt, CommandResult } from "../../lab/host/command";
import { eventually, identities, PROXY, teleport } from "../lab/lab";

/** Runs `tctl` as the lab's administrator; a nonzero exit code is a result, not an error. */
export function asAdmin(...args: string[]): Promise<CommandResult> {
  return attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
}

/** Creates the user with a role of its name, and writes an identity that is valid for an hour. */
export async function makeRegistrar(user: string, identity: string): Promise<void> {
  await teleport.put(workloadRegistrarRole(user));
  await teleport.put({ kind: "user", version: "v2", metadata: { name: user }, spec: { roles: [user] } });
  await eventually("the user can be signed for", async () => (await asAdmin("get", `user/${user}`)).code === 0);
  await teleport.sign(user, identity, "1h");
}

export async function removeRegistrar(user: string): Promise<void> {
  for (const kind of ["user", "role"]) await asAdmin("rm", `${kind}/${user}`);
}
