/** The program's own roles and bot, as documents for `tctl create`. Pure. */
import { TeleportDocument } from "./client/tctl";

/**
 * The label of every database that this program registers: agents select databases by it, and the program's role is
 * limited to it.
 */
export const PROVISIONED_BY = { provisioned_by: "cloudnative-pg" } as const;

const WRITE = ["list", "read", "create", "update", "delete"];

/**
 * The minimal role of the program: it may write databases with this program's label and read the public part of CAs.
 * It opens no database and no host.
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
 * The role of a program that also manages roles and join tokens (TeleportAccessRole, TeleportJoinToken).
 *
 * **Anyone who may write roles can become the administrator of the Teleport cluster**, by changing a role that they
 * have. Anyone who may write tokens can let machines join. Teleport cannot limit this right to some roles. So this is
 * a separate role: give it only to stacks that need it, protect their identity like an administrator's, and run other
 * stacks with `registrarRole`.
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
 * A bot that may use the program's role, for tbot in CI. Its identities last about an hour, and no secret is stored.
 * It joins by a TeleportJoinToken with `botName`. This document works with Teleport 15 and newer. Teleport 13 does
 * not know this kind: use `tctl bots add <name> --roles=<role>` there.
 */
export function registrarBot(name = "cnpg-teleport", roles = [registrarRole().metadata.name]): TeleportDocument {
  return { kind: "bot", version: "v1", metadata: { name }, spec: { roles } };
}

/**
 * The rights of `accessRegistrarRole`, and the right to write bots: as documents, and as the users that represent
 * them before Teleport 15.
 *
 * As with that role, **anyone who has it can become the administrator of the Teleport cluster**: protect the identity
 * like an administrator's.
 */
export function workloadRegistrarRole(name = "cnpg-teleport-workload-registrar"): TeleportDocument {
  const { metadata, spec, ...kind } = accessRegistrarRole(name);
  const allow = spec.allow as { rules: object[] };
  const verbs = ["list", "read", "create", "update", "delete"];
  const resources = [
    "bot",
    "user", // Teleport 13 and 14
  ];
  return {
    ...kind,
    metadata: { ...metadata, description: "Registers CloudNativePG databases, and keeps roles, join tokens and bots" },
    spec: { allow: { ...allow, rules: [...allow.rules, { resources, verbs }] } },
  };
}
