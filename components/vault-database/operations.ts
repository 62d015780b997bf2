/** What the dynamic resources of a database in Vault run. Old states call these names: keep them. */
import { adminOperations } from "./admin-operations";
import { leaseOperations } from "./lease-operations";

export const vaultDatabaseOperations = { vaultAdmin: adminOperations, vaultLeases: leaseOperations };
