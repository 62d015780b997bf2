/** The configuration of the product's program, and what the plain program needs for the same Clusters. Pure. */
import type { StackConfig } from "../lab/drive/stack";
import { TELEPORT } from "../lab/layout";
import { BENCH_LABEL } from "./labels";

/** What both programs write into each Cluster. */
export const CLUSTER = {
  image: "lab.local/postgresql:17",
  storage: { size: "1Gi" },
  resources: { requests: { cpu: "50m", memory: "128Mi" } },
  parameters: { shared_buffers: "32MB", max_connections: "50" },
};

/** The lab waits for instances often, so it checks more often than CloudNativePG does by default. */
const PROBES = { startup: { periodSeconds: 1, failureThreshold: 300 }, readiness: { periodSeconds: 1 } };

/** Databases whose instances do not run. All else is as usual: certificates, rights, and registration in Teleport. */
export function hibernated(names: readonly string[]): StackConfig {
  return configuration(names, { instances: 1, hibernation: true });
}

/** A database whose instances run. */
export function running(name: string, more: Record<string, unknown>): StackConfig {
  return configuration([name], { spec: { probes: PROBES }, ...more });
}

function configuration(names: readonly string[], more: Record<string, unknown>): StackConfig {
  return {
    defaults: {
      ...CLUSTER,
      deletionProtection: false,
      issuer: { type: "tls" },
      teleport: { proxy: TELEPORT.proxy, labels: BENCH_LABEL },
      ...more,
    },
    databases: Object.fromEntries(names.map((name) => [name, {}])),
  };
}
