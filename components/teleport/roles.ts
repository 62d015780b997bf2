/** Roles in Teleport that this project ships, as documents for `tctl create`. Pure. */
import { TeleportDocument } from "./tctl";

/** The label that every database of ours carries: agents pick them up by it, the program's role is limited to it. */
export const PROVISIONED_BY = { provisioned_by: "cloudnative-pg" } as const;

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
          { resources: ["db"], verbs: ["list", "read", "create", "update", "delete"] },
          { resources: ["cert_authority"], verbs: ["list", "readnosecrets"] },
        ],
      },
    },
  };
}
