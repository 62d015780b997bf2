/** The kinds of dynamic resources. Old states call their operations by these names: keep them. Pure. */
export type KindName =
  | "access"
  | "autoUsers"
  | "clusterServing"
  | "databasesServing"
  | "databaseRolesServing"
  | "poolerServing"
  | "operatorCheck"
  | "registration"
  | "certAuthority"
  | "vaultAdmin"
  | "vaultLeases"
  | "deletionProtection"
  | "clusterIdentity"
  | "kubernetesIdentity"
  | "updateCheck"
  | "namespaceRemoval"
  | "declaredDatabases";
