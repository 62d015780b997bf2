/** What a Cluster has to do with a Teleport cluster: the databases there, however it gets to know them, and roles. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { AutoUsers, autoUsersAdmin } from "../teleport/auto-users/settings";
import { TeleportUser } from "../cnpg/roles";
import { BACKGROUND_DELETION, SHORT_DELETION } from "../kubernetes/deletion";
import { POSTGRES_PORT, serviceHost } from "../cnpg/names";
import { agentConfigMap, PRIMARY_LABEL, teleportNames } from "../teleport/names";
import { ownedBy, ownerOf } from "../kubernetes/owner";
import { KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";
import { TeleportArgs, TeleportRegistration } from "./args";
import { agentConfiguration, kubeAgentValues } from "../teleport/agent";
import { TeleportDatabase } from "../teleport/resources/database";
import { DatabaseSettings } from "../teleport/resources/database-document";
import { operatorDatabase } from "../teleport/kubernetes-operator";
import { TeleportAccessRole } from "../teleport/resources/access-role";
import { PROVISIONED_BY } from "../teleport/program-roles";

/** The Cluster that Teleport gets to know. */
export interface RegisteredCluster {
  clusterName: string;
  environment: string;
  description?: string;
  namespace: pulumi.Output<string>;
  /** Whether there is a standby, so that `-ro` leads somewhere. */
  standby: boolean;
  /** PEM of the CA that agents verify the server with. */
  caCert: pulumi.Output<string>;
  /** The application's database. */
  database: string;
  users: readonly TeleportUser[];
  autoUsers?: AutoUsers;
}

/** What an agent needs that serves the databases by its own configuration. Nothing in it is secret. */
export interface TeleportAgentOutput {
  /** `host:port` of Teleport's proxy. */
  proxy: string;
  /** Values for the chart teleport-kube-agent, as JSON, which is YAML. */
  chartValues: string;
  /** `teleport.yaml` of an agent that runs elsewhere, likewise. */
  configuration: string;
}

/** What came of it. */
export interface Registered {
  /** Names in Teleport, known once they are there. */
  names: pulumi.Output<string[]>;
  /** For registration by an agent's configuration. */
  agent?: pulumi.Output<TeleportAgentOutput>;
  /** All that was made. */
  resources: pulumi.Resource[];
}

/** Resource names of several Teleport clusters differ by the names of their credentials. */
export function resourcePrefix(name: string, { credentials }: TeleportArgs): string {
  return credentials === undefined ? name : `${name}@${credentials}`; // "@" is in no name of a database
}

/** Lets Teleport know the primary and, where there is one, the standby; and makes roles, where that is asked for. */
export function register(
  name: string,
  teleport: TeleportArgs,
  cluster: RegisteredCluster,
  opts: pulumi.CustomResourceOptions,
): Registered {
  const registration: TeleportRegistration = teleport.registration ?? { by: "program" };
  const roles = teleport.accessRoles ? makeAccessRoles(name, teleport, cluster, opts) : [];
  const databases = databasesOf(teleport, cluster);
  const registered = () => {
    switch (registration.by) {
      case "program":
        return byProgram(name, teleport, databases, cluster.caCert, opts);
      case "operator":
        return byOperator(name, teleport, registration.namespace, databases, cluster.caCert, opts);
      case "agent":
        return byAgent(name, teleport, registration, databases, cluster, opts);
    }
  };
  const { resources, ...known } = registered();
  return { ...known, resources: [...roles, ...resources] };
}

interface Database {
  sqlType: "primary" | "standby";
  settings: Omit<DatabaseSettings, "caCert" | "labels" | "uri"> & {
    labels: Record<string, pulumi.Input<string>>;
    uri: pulumi.Output<string>;
  };
}

function databasesOf(teleport: TeleportArgs, cluster: RegisteredCluster): Database[] {
  const { clusterName, environment, namespace, description } = cluster;
  const names = teleportNames(clusterName, environment, teleport.name);
  const database = (sqlType: Database["sqlType"], endpoint: "rw" | "ro"): Database => ({
    sqlType,
    settings: {
      name: names[sqlType],
      description,
      labels: {
        ...teleport.labels,
        environment,
        cluster: clusterName,
        namespace,
        [PRIMARY_LABEL]: names.primary,
        ...PROVISIONED_BY,
        sql_type: sqlType,
      },
      uri: namespace.apply((inNamespace) => `${serviceHost(clusterName, inNamespace, endpoint)}:${POSTGRES_PORT}`),
      dynamicLabels: teleport.dynamicLabels,
      // Nobody can be made in a standby.
      adminUser: cluster.autoUsers
        ? sqlType === "primary"
          ? autoUsersAdmin(cluster.autoUsers)
          : undefined
        : teleport.adminUser,
      trustSystemPool: teleport.trustSystemPool,
    },
  });
  return [database("primary", "rw"), ...(cluster.standby ? [database("standby", "ro")] : [])];
}

function byProgram(
  name: string,
  teleport: TeleportArgs,
  databases: readonly Database[],
  caCert: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): Registered {
  const { proxy, credentials, adopt } = teleport;
  const made = databases.map(
    ({ sqlType, settings }) =>
      new TeleportDatabase(
        `${resourcePrefix(name, teleport)}-${sqlType}`,
        { teleport: { proxy, credentials }, ...settings, caCert, adopt },
        opts,
      ),
  );
  return { names: pulumi.all(made.map(({ databaseName }) => databaseName)), resources: made };
}

function byOperator(
  name: string,
  teleport: TeleportArgs,
  namespace: string,
  databases: readonly Database[],
  caCert: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): Registered {
  const made = databases.map(({ sqlType, settings }) => {
    const resource = `${resourcePrefix(name, teleport)}-${sqlType}`;
    const owner = ownerOf(resource);
    const manifest = pulumi
      .all([pulumi.output(settings), caCert])
      .apply(([known, ca]) => operatorDatabase({ ...known, caCert: ca, namespace, owner }));
    const { name: object, description } = settings;
    // Not an output as a whole: a preview that does not know the CA could not look for the field manager in it.
    const annotations = { ...ownedBy(resource), ...(description ? { description } : {}) };
    const metadata = { name: object, namespace, labels: manifest.metadata.labels, annotations };
    const kind = { apiVersion: "resources.teleport.dev/v1", kind: "TeleportDatabaseV3" };
    return new k8s.apiextensions.CustomResource(
      resource,
      { ...kind, metadata, spec: manifest.spec },
      { ...opts, customTimeouts: SHORT_DELETION, ...KEEPS_FIELD_MANAGER },
    );
  });
  const names = pulumi.all(made.map(({ metadata }) => metadata.apply((known) => known.name ?? "")));
  return { names, resources: made };
}

function byAgent(
  name: string,
  teleport: TeleportArgs,
  { join, namespace }: Extract<TeleportRegistration, { by: "agent" }>,
  databases: readonly Database[],
  { clusterName, environment, caCert }: RegisteredCluster,
  opts: pulumi.CustomResourceOptions,
): Registered {
  const { proxy } = teleport;
  const { primary } = teleportNames(clusterName, environment, teleport.name);
  const configMap = agentConfigMap(primary);
  const resources: pulumi.Resource[] = [];
  if (namespace !== undefined) {
    const resource = `${resourcePrefix(name, teleport)}-agent-server-ca`;
    const metadata = { name: configMap, namespace, annotations: { ...ownedBy(resource), ...BACKGROUND_DELETION } };
    const data = { "ca.crt": caCert };
    resources.push(new k8s.core.v1.ConfigMap(resource, { metadata, data }, { ...opts, ...KEEPS_FIELD_MANAGER }));
  }
  const known = pulumi.all(databases.map(({ settings }) => pulumi.output(settings)));
  return {
    resources,
    names: known.apply((all) => all.map((settings) => settings.name)),
    agent: known.apply((all) => ({
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

/**
 * A role for each user: exactly this Cluster, the databases of the user's scope, and that user. And one for each role that
 * Teleport's own users may get.
 */
function makeAccessRoles(
  name: string,
  teleport: TeleportArgs,
  cluster: RegisteredCluster,
  opts: pulumi.CustomResourceOptions,
): TeleportAccessRole[] {
  const { proxy, credentials, adopt } = teleport;
  const { clusterName, environment, database } = cluster;
  const adminUser = cluster.autoUsers ? autoUsersAdmin(cluster.autoUsers) : teleport.adminUser;
  const primary = teleportNames(clusterName, environment, teleport.name).primary;
  const all = {
    teleport: { proxy, credentials },
    databaseLabels: { ...PROVISIONED_BY, [PRIMARY_LABEL]: primary },
    deniedUsers: adminUser === undefined ? [] : [adminUser.name],
    adopt,
  };
  const ofUsers = cluster.users.map(
    (user) =>
      new TeleportAccessRole(
        `${resourcePrefix(name, teleport)}-${user.name}`,
        {
          ...all,
          name: `${primary}-${user.name}`,
          description: `Opens ${primary} as ${user.name}`,
          databaseNames: user.scope ? [...new Set(user.scope.map((scope) => scope.database ?? database))] : ["*"],
          databaseUsers: [user.name],
        },
        opts,
      ),
  );
  const ofAutoUsers = (cluster.autoUsers?.roles ?? []).map(
    (role) =>
      new TeleportAccessRole(
        `${resourcePrefix(name, teleport)}-auto-${role}`,
        {
          ...all,
          name: `${primary}-auto-${role}`,
          databaseLabels: { ...all.databaseLabels, sql_type: "primary" },
          description: `Opens ${primary} with a user of one's own that has the role ${role}`,
          databaseNames: ["*"],
          databaseRoles: [role],
          createDatabaseUser: "keep",
        },
        opts,
      ),
  );
  return [...ofUsers, ...ofAutoUsers];
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
