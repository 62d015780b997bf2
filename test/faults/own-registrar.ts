/** A user of a test's own in the lab's Teleport, who may register all that the program registers, bots too. */
import { workloadRegistrarRole } from "../../components/teleport/resources/bot-registrar";
import { attempt, CommandResult } from "../../lab/host/command";
import { eventually, identities, PROXY, teleport } from "../lab/lab";

/** `tctl` as the lab's administrator; its exit code is a result. */
export function asAdmin(...args: string[]): Promise<CommandResult> {
  return attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
}

/** Makes the user, with a role of its name, and writes an identity that holds for an hour. */
export async function makeRegistrar(user: string, identity: string): Promise<void> {
  await teleport.put(workloadRegistrarRole(user));
  await teleport.put({ kind: "user", version: "v2", metadata: { name: user }, spec: { roles: [user] } });
  await eventually("the user can be signed for", async () => (await asAdmin("get", `user/${user}`)).code === 0);
  await teleport.sign(user, identity, "1h");
}

export async function removeRegistrar(user: string): Promise<void> {
  for (const kind of ["user", "role"]) await asAdmin("rm", `${kind}/${user}`);
}
