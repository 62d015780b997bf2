/** Roles and the bot of the program itself, as documents for `tctl create`. Pure. */
import { TeleportDocument } from "./client/tctl";

/** The label that every database of ours carries: agents pick them up by it, the program's role is limited to it. */
export const PROVISIONED_BY = { provisioned_by: "cloudnative-pg" } as const;

const WRITE = ["list", "read", "create", "update", "delete"];

/**
 * The role that the program itself needs, and nothing more: databases that carry our label, and reading
 * the public part of CAs. It opens no database and no host.
 */
export function registrarRole(name = "cnpg-teleport-registrar"): TeleportDocument {
  return {
    kind: "role",
    version: "v6",
    metadata: { name, description: "Registers CloudNativePG databases" },
    spec: {
      allow: {
        db_labels: { provisioned_by: [PROVISIONED_BY.provisioned_by] },
        rules: [
          { resources: ["db"], verbs: WRITE },
          { resources: ["cert_authority"], verbs: ["list", "readnosecrets"] },
          { resources: ["cert_authority_override"], verbs: ["list", "read"] }, // Enterprise, 18 and newer
        ],
      },
    },
  };
}

/**
 * The role of a program that also keeps roles and join tokens (TeleportAccessRole, TeleportJoinToken).
 *
 * **Whoever may write roles can become the administrator of the Teleport cluster**, by changing a role that they hold;
 * and whoever may write tokens can let machines in. Teleport has no rule that limits it to some roles. So it is a role
 * of its own: give it only to stacks that need it, guard their identity as an administrator's, and let the others run
 * with `registrarRole`.
 */
export function accessRegistrarRole(name = "cnpg-teleport-access-registrar"): TeleportDocument {
  const registrar = registrarRole(name);
  const allow = registrar.spec.allow as { rules: unknown[] };
  return {
    ...registrar,
    metadata: { name, description: "Registers CloudNativePG databases, and keeps roles and join tokens" },
    spec: { allow: { ...allow, rules: [...allow.rules, { resources: ["role", "token"], verbs: WRITE }] } },
  };
}

/**
 * A bot that may take on the program's role, for tbot in CI: its identities last an hour or so and nobody keeps a
 * secret. It joins by a TeleportJoinToken with `botName`. For Teleport 15 and newer, as a document; Teleport 13 does
 * not know the kind: there, `tctl bots add <name> --roles=<role>`.
 */
export function registrarBot(name = "cnpg-teleport", roles = [registrarRole().metadata.name]): TeleportDocument {
  return { kind: "bot", version: "v1", metadata: { name }, spec: { roles } };
}
