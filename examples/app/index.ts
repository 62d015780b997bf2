/**
 * An application team's stack: it knows the name of the platform's stack and of a database, and finds the rest there.
 * The pod connects as the owner of the database with `sslmode=verify-full`, and is ready when its query works, so
 * that `pulumi up` ends when the application has its data, or fails.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { App, AppSettings, appOf } from "./settings";

/** Any will do: nothing in the pod writes files or belongs to anybody. */
const NOBODY = 65_534;

/**
 * Kubernetes then deletes at once, and not after looking for dependents: providers as of September 2024 missed the end
 * of what went in between, and waited for it for ten minutes (their await/condition/deleted.go).
 */
const NOTHING_BELOW = { "pulumi.com/deletionPropagationPolicy": "background" };

/** Queries for ever; what goes wrong is in the log, and the next try comes after the interval all the same. */
const LOOP = `
trap 'exit 0' TERM
while true; do
  psql --no-psqlrc --no-password --tuples-only --no-align --command "$QUERY" || true
  sleep "$INTERVAL" & wait $!
done
`;
const PROBE = 'exec psql --no-psqlrc --no-password --quiet --output=/dev/null --set=ON_ERROR_STOP=1 --command "$QUERY"';

export = async () => {
  const config = new pulumi.Config();
  const settings: AppSettings = {
    platform: config.require("platform"),
    database: config.require("database"),
    namespace: config.get("namespace"),
    credentialsSecret: config.get("credentialsSecret"),
    image: config.get("image"),
    query: config.get("query"),
    interval: config.getNumber("interval"),
  };
  // Known before anything is planned, so that a wrong name is told by its own message and not by a failing pod.
  const databases = await new pulumi.StackReference(settings.platform).getOutputDetails("databases");
  return run(checked(settings, databases.value));
};

/** A RunError is shown without a stack trace. */
function checked(settings: AppSettings, databases: unknown): App {
  try {
    return appOf(settings, databases);
  } catch (error) {
    throw new pulumi.RunError(error instanceof Error ? error.message : String(error));
  }
}

function run(app: App) {
  const provider = new k8s.Provider("kubernetes", { namespace: app.namespace });
  const labels = { "app.kubernetes.io/name": pulumi.getProject(), "app.kubernetes.io/instance": pulumi.getStack() };
  // Named by Pulumi: another CA makes another ConfigMap, and with its name in the pod's template a rollout.
  const trust = new k8s.core.v1.ConfigMap(
    "server-ca",
    { metadata: { annotations: NOTHING_BELOW }, data: { "ca.crt": app.serverCa } },
    { provider },
  );
  const deployment = new k8s.apps.v1.Deployment(
    "app",
    {
      metadata: { labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            automountServiceAccountToken: false,
            securityContext: {
              runAsNonRoot: true,
              runAsUser: NOBODY,
              runAsGroup: NOBODY,
              seccompProfile: { type: "RuntimeDefault" },
            },
            containers: [container(app)],
            volumes: [{ name: "server-ca", configMap: { name: trust.metadata.name } }],
          },
        },
      },
    },
    { provider, customTimeouts: { create: "5m", update: "5m" } },
  );
  return { namespace: app.namespace, deployment: deployment.metadata.name };
}

function container(app: App): k8s.types.input.core.v1.Container {
  const credential = (key: string) => ({ secretKeyRef: { name: app.credentialsSecret, key } });
  return {
    name: "app",
    image: app.image,
    command: ["sh", "-c", LOOP],
    // libpq's own variables: https://www.postgresql.org/docs/current/libpq-envars.html
    env: [
      { name: "PGHOST", value: app.host },
      { name: "PGPORT", value: String(app.port) },
      { name: "PGDATABASE", value: app.database },
      { name: "PGUSER", valueFrom: credential("username") },
      { name: "PGPASSWORD", valueFrom: credential("password") },
      { name: "PGSSLMODE", value: "verify-full" },
      { name: "PGSSLROOTCERT", value: "/etc/server-ca/ca.crt" },
      { name: "PGCONNECT_TIMEOUT", value: "5" },
      { name: "QUERY", value: app.query },
      { name: "INTERVAL", value: String(app.interval) },
    ],
    volumeMounts: [{ name: "server-ca", mountPath: "/etc/server-ca", readOnly: true }],
    readinessProbe: {
      exec: { command: ["sh", "-c", PROBE] },
      periodSeconds: 5,
      timeoutSeconds: 10,
      failureThreshold: 3,
    },
    resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "64Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
  };
}
