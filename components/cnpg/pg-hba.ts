/** The rules of pg_hba.conf that are ours. CNPG puts its own before them and a `host all all all` line last. Pure. */
import { TeleportUser } from "./roles";

/** Every address, of both families: `0.0.0.0/0` alone would leave IPv6 clients to the rules below. */
const ANYWHERE = ["0.0.0.0/0", "::/0"];

/**
 * Teleport users log in over TLS with a certificate of their own name, and in no other way: the first rules let
 * certificates in, the `reject` rule keeps what is not TLS from reaching rules that follow.
 */
export function pgHbaRules(users: readonly TeleportUser[], extra: readonly string[] = []): string[] {
  if (users.length === 0) return [...extra];
  const names = users.map(({ name }) => name).join(",");
  return [
    ...ANYWHERE.map((address) => `hostssl all ${names} ${address} cert`),
    ...ANYWHERE.map((address) => `hostnossl all ${names} ${address} reject`),
    ...extra,
  ];
}
