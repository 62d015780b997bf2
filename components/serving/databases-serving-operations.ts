/** What a DatabasesServing waits for. */
import { databaseProblems } from "../cnpg/databases";
import { servingOperations, ServingInputs } from "./serving-operations";

/** Inputs of a DatabasesServing, and its state. */
export interface DatabasesServingInputs extends ServingInputs {
  /** The Cluster's `metadata.uid`. */
  uid: string;
  /** Names of Database objects, with what was written to each in any form that changes with it. */
  databases: Record<string, string>;
}

export const databasesServingOperations = servingOperations<DatabasesServingInputs>({
  name: ({ namespace, cluster }) => `Cluster ${namespace}/${cluster}`,
  problems: async (kubernetes, { namespace, databases }) => {
    const found = Object.keys(databases).map(async (name) => {
      const reference = { apiVersion: "postgresql.cnpg.io/v1", plural: "databases", namespace, name };
      return databaseProblems(name, await kubernetes.get(reference));
    });
    return (await Promise.all(found)).flat();
  },
});
