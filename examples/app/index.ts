/**
 * An application team's stack. It knows the names of the platform's stack and of a database, and reads the rest from
 * the platform's outputs. The pod reaches the database with the owner's password or without a stored password
 * (`access`: see settings.ts). It is ready when its query works, so `pulumi up` succeeds only when the application
 * can read its data.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { TbotPodSettings } from "cnpg-teleport";
import { accountOf, configurationOf, templateOf } from "./pod";
import { App, appOf } from "./app";
import type { AppSettings } from "./settings";

/**
 * With this annotation, Kubernetes deletes the object at once, and does not look for dependents first. Versions of the
 * Kubernetes provider of September 2024 missed deletions that happened in between, and waited ten minutes for them
 * (await/condition/deleted.go).
 */
const WITHOUT_DEPENDENTS = { "pulumi.com/deletionPropagationPolicy": "background" };

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
  // Read the outputs first, so that a wrong name causes its own message and not a failing pod.
  const platform = new pulumi.StackReference(settings.platform);
  const [databases, applications] = await Promise.all(
    ["databases", "applications"].map((output) => platform.getOutputDetails(output)),
  );
  return run(checked(settings, { databases: databases?.value, applications: applications?.value }));
};

/**
 * Pulumi shows a RunError without a stack trace. When an error went through outputs instead, Pulumi took half a minute to
 * report it.
 */
function checked(settings: AppSettings, outputs: Parameters<typeof appOf>[1]): App {
  try {
    return appOf(settings, outputs);
  } catch (error) {
    const failed = new pulumi.RunError(error instanceof Error ? error.message : String(error));
    throw Object.assign(failed, { stack: failed.message });
  }
}

function run(app: App) {
  const provider = new k8s.Provider("kubernetes", { namespace: app.namespace });
  const labels = { "app.kubernetes.io/name": pulumi.getProject(), "app.kubernetes.io/instance": pulumi.getStack() };
  const account = accountOf(app.access);
  const accounts =
    account === undefined
      ? []
      : [
          new k8s.core.v1.ServiceAccount(
            "app",
            { metadata: { name: account, annotations: WITHOUT_DEPENDENTS }, automountServiceAccountToken: false },
            { provider },
          ),
        ];
  // Pulumi names the ConfigMap: new content creates a new one, whose name in the pod's template causes a rollout.
  const configuration = new k8s.core.v1.ConfigMap(
    "app",
    { metadata: { annotations: WITHOUT_DEPENDENTS }, data: configurationOf(app) },
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
    { provider, dependsOn: accounts, customTimeouts: { create: "5m", update: "5m" } },
  );
  return { namespace: app.namespace, deployment: deployment.metadata.name };
}
