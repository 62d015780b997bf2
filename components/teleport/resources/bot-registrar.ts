/** The role of a program that manages bots of applications. Pure. */
import { accessRegistrarRole } from "../program-roles";
import type { TeleportDocument } from "../client/tctl";

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
