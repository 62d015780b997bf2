/** Registers the databases of a Cluster in a Teleport cluster, and creates roles there. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { BACKGROUND_DELETION, SHORT_DELETION, ownedBy, ownerOf } from "../kubernetes/owner";
import { KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";
import { agentConfiguration, AgentJoin, kubeAgentValues } from "../teleport/agent";
import { operatorDatabase } from "../teleport/kubernetes-operator";
import { TeleportAccessRole, TeleportDatabase } from "../teleport/resources/resource";
import type { DatabaseSettings } from "../teleport/resources/database";
import type { RegistrationArgs as TeleportRegistrationArgs } from "../teleport/resources/registration";
import { hostOf, POSTGRES_PORT } from "../cnpg/names";
import type { ClusterPlan } from "./plan";
import type { TeleportPlan } from "./teleport-plan";

/** Values that are known only after other resources are created. */
export interface RegistrationArgs {
  namespace: pulumi.Output<string>;
  /** PEM of the CA with which agents verify the server. */
  caCert: pulumi.Output<string>;
  /** Labels of what the primary cluster of a topology registers. Default: none. */
  topology?: Record<string, pulumi.Output<string>>;
}

/** The configuration of an agent that lists the databases itself. Contains no secret. */
export interface TeleportAgentOutput {
  /** `host:port` of Teleport's proxy. */
  proxy: string;
  /** Values for the chart teleport-kube-agent, as JSON, which is also YAML. */
  chartValues: string;
  /** `teleport.yaml` of an agent that runs outside of Kubernetes, as JSON, which is also YAML. */
  configuration: string;
}

/** The result of a registration. */
export interface RegistrationResult {
  /** Names in Teleport. Known once the databases are registered. */
  names: pulumi.Output<string[]>;
  /** Set for registration by an agent. */
  agent?: pulumi.Output<TeleportAgentOutput>;
  /** All resources that were created. */
  resources: pulumi.Resource[];
}

/** Registers the primary and, if there is one, the standby. Creates the planned roles. */
export function register(
  plan: TeleportPlan,
  { services }: Pick<ClusterPlan, "services">,
  { namespace, caCert, topology }: RegistrationArgs,
  opts: pulumi.CustomResourceOptions,
): RegistrationResult {
  const { proxy, credentials, adopt } = plan.settings;
  const teleport = pulumi.output({ proxy, credentials });
  const suspended = plan.isReplicaCluster;
  const roles = plan.accessRoles.map(
    ({ resource, ...role }) =>
      new TeleportAccessRole(resource, { teleport, ...role, labels: topology, adopt, suspended }, opts),
  );
  const databases = plan.databases.map(({ resource, sqlType, endpoint, labels, ...settings }) => ({
    resource,
    settings: {
      ...settings,
      labels: { ...labels, namespace, ...(sqlType === "replica" ? {} : topology) },
      uri: namespace.apply((inNamespace) => `${hostOf(services[endpoint], inNamespace)}:${POSTGRES_PORT}`),
    },
  }));
  const { registration } = plan;
  const registered = () => {
    switch (registration.by) {
      case "program":
        return byProgram({ teleport, adopt }, databases, caCert, opts);
      case "operator":
        return byOperator(registration.namespace, databases, caCert, opts);
      case "agent":
        return byAgent(plan, registration.join, databases, caCert, opts);
    }
  };
  const { resources, ...known } = registered();
  return { ...known, resources: [...roles, ...resources] };
}

interface Database {
  resource: string;
  settings: Omit<DatabaseSettings, "caCert" | "labels" | "uri"> & {
    labels: Record<string, pulumi.Input<string>>;
    uri: pulumi.Output<string>;
  };
}

function byProgram(
  registration: TeleportRegistrationArgs,
  databases: readonly Database[],
  caCert: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): RegistrationResult {
  const created = databases.map(
    ({ resource, settings }) => new TeleportDatabase(resource, { ...registration, ...settings, caCert }, opts),
  );
  return { names: pulumi.all(created.map(({ databaseName }) => databaseName)), resources: created };
}

function byOperator(
  namespace: string,
  databases: readonly Database[],
  caCert: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): RegistrationResult {
  const created = databases.map(({ resource, settings }) => {
    const owner = ownerOf(resource);
    const manifest = pulumi
      .all([pulumi.output(settings), caCert])
      .apply(([known, ca]) => operatorDatabase({ ...known, caCert: ca, namespace, owner }));
    const { name: object, description } = settings;
    // The metadata must not be an output: a preview that does not know the CA could not find the field manager's
    // annotation in it.
    const annotations = { ...ownedBy(resource), ...(description ? { description } : {}) };
    const metadata = { name: object, namespace, labels: manifest.metadata.labels, annotations };
    const kind = { apiVersion: "resources.teleport.dev/v1", kind: "TeleportDatabaseV3" };
    return new k8s.apiextensions.CustomResource(
      resource,
      { ...kind, metadata, spec: manifest.spec },
      { ...opts, customTimeouts: SHORT_DELETION, ...KEEPS_FIELD_MANAGER },
    );
  });
  const names = pulumi.all(created.map(({ metadata }) => metadata.apply((known) => known.name ?? "")));
  return { names, resources: created };
}

function byAgent(
  { settings: { proxy: atProxy }, agentConfigMap }: TeleportPlan,
  join: AgentJoin,
  databases: readonly Database[],
  caCert: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): RegistrationResult {
  const { resource, name: configMap, namespace } = agentConfigMap;
  const annotations = { ...ownedBy(resource), ...BACKGROUND_DELETION };
  const resources =
    namespace === undefined
      ? []
      : [
          new k8s.core.v1.ConfigMap(
            resource,
            { metadata: { name: configMap, namespace, annotations }, data: { "ca.crt": caCert } },
            { ...opts, ...KEEPS_FIELD_MANAGER },
          ),
        ];
  const known = pulumi.all(databases.map(({ settings }) => pulumi.output(settings)));
  return {
    resources,
    names: known.apply((all) => all.map((settings) => settings.name)),
    agent: pulumi.all([known, atProxy]).apply(([all, proxy]) => ({
      proxy,
      chartValues: json(
        kubeAgentValues({ proxy, join, databases: all.map((settings) => ({ ...settings, ca: { configMap } })) }),
      ),
      configuration: json(
        agentConfiguration({
          proxy,
          join,
          databases: all.map((settings) => ({
            ...settings,
            caCertFile: `/etc/teleport-tls-db/${settings.name}/ca.crt`,
          })),
        }),
      ),
    })),
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
