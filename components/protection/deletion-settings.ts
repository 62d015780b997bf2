/** Settings about the deletion of a database. Pure. */

/** Settings about the deletion of a database. */
export interface ProtectionSettings {
  /**
   * Protects the Cluster, and additional databases with `reclaimPolicy: delete`, from being deleted or replaced.
   * `pulumi destroy` and a changed name are refused, already in the preview. To delete the Cluster, set this to `false`,
   * run `pulumi up`, and then delete it. Default: true.
   */
  deletionProtection?: boolean;
  /**
   * What happens to the Cluster when it is removed from the stack. `delete` deletes it with its volumes. `retain` keeps the
   * Cluster, its Secrets, databases and network policies in Kubernetes, and only removes access: registrations in
   * Teleport, poolers, Vault's connection and the users' rights. Default: `delete`.
   */
  onDelete?: "delete" | "retain";
}

/** Whether a database is protected. */
export function isProtected({ deletionProtection = true }: ProtectionSettings): boolean {
  return deletionProtection;
}

/** Whether the Cluster stays when it is removed from the stack. */
export function isRetained({ onDelete = "delete" }: ProtectionSettings): boolean {
  return onDelete === "retain";
}

/** Annotation of the Cluster with the protection that was applied last. */
export const PROTECTION_ANNOTATION = "cnpg-teleport/deletion-protection";

/** How to delete a protected database, for messages. */
export function howToDelete(database: string): string {
  return (
    `To delete it, set deletionProtection: false for ${database} ` +
    `(pulumi config set --path 'cnpg-teleport:databases.${database}.deletionProtection' false) and run \`pulumi up\`; ` +
    "then delete it, e.g. with `pulumi destroy`."
  );
}
