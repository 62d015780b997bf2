/**
 * An application team's stack: it knows the name of the platform's stack and of a database, and finds the rest there.
 * The pod gets at the database by the owner's password, or by none that anyone keeps (`access`: see settings.ts), and is
 * ready when its query works, so that `pulumi up` ends when the application has its data, or fails.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { TbotPodSettings } from "cnpg-teleport";
import { accountOf, configurationOf, templateOf } from "./pod";
import { App, appOf } from "./app";
import type { AppSettings } from "./settings";

/**
 * Kubernetes then deletes at once, and not after looking for dependents: providers as of September 2024 missed the end
 * of what went in between, and waited for it for ten minutes (their await/condition/deleted.go).
 */
const NOTHING_BELOW = { "pulumi.com/deletionPropagationPolicy": "background" };

export = async () => {
  const config = new pulumi.Config();
  const settings: AppSettings = {
    platform: config.require("platform"),
    database: config.require("database"),
    access: config.get("access"),
    namespace: config.get("namespace"),
    credentialsSecret: config.get("credentialsSecret"),
    application: config.get("application"),
    tbotGeneration: config.get<TbotPodSettings["generation"]>("tbotGeneration"),
    vaultRole: config.get("vaultRole"),
    vaultAddress: config.get("vaultAddress"),
    vaultNamespace: config.get("vaultNamespace"),
    sidecarImage: config.get("sidecarImage"),
    trustedCa: config.get("trustedCa"),
    image: config.get("image"),
    query: config.get("query"),
    interval: config.getNumber("interval"),
  };
  // Known before anything is planned, so that a wrong name is told by its own message and not by a failing pod.
  const platform = new pulumi.StackReference(settings.platform);
  const [databases, applications] = await Promise.all(
    ["databases", "applications"].map((output) => platform.getOutputDetails(output)),
  );
  return run(checked(settings, { databases: databases?.value, applications: applications?.value }));
};

/** A RunError is shown without a stack trace; one that goes through outputs was seen to take Pulumi half a minute. */
function checked(settings: AppSettings, outputs: Parameters<typeof appOf>[1]): App {
  try {
    return appOf(settings, outputs);
  } catch (error) {
    const told = new pulumi.RunError(error instanceof Error ? error.message : String(error));
    throw Object.assign(told, { stack: told.message });
  }
}

function run(app: App) {
  const provider = new k8s.Provider("kubernetes", { namespace: app.namespace });
  const labels = { "app.kubernetes.io/name": pulumi.getProject(), "app.kubernetes.io/instance": pulumi.getStack() };
  const account = accountOf(app.access);
  const made =
    account === undefined
      ? []
      : [
          new k8s.core.v1.ServiceAccount(
            "app",
            { metadata: { name: account, annotations: NOTHING_BELOW }, automountServiceAccountToken: false },
            { provider },
          ),
        ];
  // Named by Pulumi: another content makes another ConfigMap, and with its name in the pod's template a rollout.
  const configuration = new k8s.core.v1.ConfigMap(
    "app",
    { metadata: { annotations: NOTHING_BELOW }, data: configurationOf(app) },
    { provider },
  );
  const deployment = new k8s.apps.v1.Deployment(
    "app",
    {
      metadata: { labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: configuration.metadata.name.apply((name) => templateOf(app, name, labels)),
      },
    },
    { provider, dependsOn: made, customTimeouts: { create: "5m", update: "5m" } },
  );
  return { namespace: app.namespace, deployment: deployment.metadata.name };
}
