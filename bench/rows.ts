/** The rows of the table, in its order. Pure. */

export type RowId =
  | "register"
  | "deregister"
  | "noop"
  | "preview"
  | "refresh"
  | "start"
  | "up"
  | "destroy"
  | "firstQuery"
  | "stateSize"
  | "registrationSize"
  | "providerText"
  | "memory"
  | "grants"
  | "grantsMemory";

export interface Row {
  id: RowId;
  /** With the number of databases or registrations that were measured. */
  name: string;
  unit: "s" | "kB" | "MiB";
}

/** The rows for a number of databases. Each name contains the number that is really measured. */
export function rowsFor(databases: number): Row[] {
  return [
    { id: "register", name: `register-${databases}`, unit: "s" },
    { id: "deregister", name: `deregister-${databases}`, unit: "s" },
    { id: "noop", name: `noop-${databases}`, unit: "s" },
    { id: "preview", name: `preview-${databases}`, unit: "s" },
    { id: "refresh", name: `refresh-${databases}`, unit: "s" },
    { id: "start", name: "start", unit: "s" },
    { id: "up", name: `up-${databases}`, unit: "s" },
    { id: "destroy", name: `destroy-${databases}`, unit: "s" },
    { id: "firstQuery", name: "first-query", unit: "s" },
    { id: "stateSize", name: "state-size", unit: "kB" },
    { id: "registrationSize", name: "state-size-registration", unit: "kB" },
    { id: "providerText", name: "state-size-provider-text", unit: "kB" },
    { id: "memory", name: `memory-${10 * databases}`, unit: "MiB" },
    { id: "grants", name: "grants-100k", unit: "s" },
    { id: "grantsMemory", name: "grants-100k-memory", unit: "MiB" },
  ];
}
