/**
 * Checks that the Kubernetes provider updates Secrets in place. Without `enableSecretMutable`, it deletes a Secret whose data
 * change, and creates it again. A Cluster stops while the Secret of a CA is missing.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { valueOf } from "../known-outputs";
import { refuse, SettingProblem, SettingsError } from "../problems";

/** Used by the default provider if the configuration has no value. */
const VARIABLE = "PULUMI_K8S_ENABLE_SECRET_MUTABLE";
const PROBLEM =
  "must be true, because otherwise Pulumi deletes a Secret and creates it again when its certificate is renewed";

/** One check for each provider, so that all its components fail with the same error, which Pulumi prints once. */
const checks = new WeakMap<pulumi.ProviderResource, Promise<void>>();

/**
 * The options for a component that creates Secrets. With a provider that does not update them in place, nothing of the
 * component is created, neither in a preview nor in `up --skip-preview`: its children wait for it, and it waits for this check.
 *
 * @throws SettingsError for the default provider. With any other provider, the registration of the component fails with it.
 */
export function requireMutableSecrets(opts: pulumi.ComponentResourceOptions = {}): pulumi.ComponentResourceOptions {
  const provider = kubernetesProvider(opts);
  if (provider === undefined) {
    refuse(problemsOfDefault());
    return opts;
  }
  const check = checks.get(provider) ?? checkProvider(provider);
  checks.set(provider, check);
  // The SDK waits for a promise of any value of `dependsOn`. Only the resources in it are stored in the state.
  const dependsOn = check.then(() => opts.dependsOn ?? []) as Promise<pulumi.Resource[]>;
  return { ...opts, dependsOn };
}

/** The provider that Pulumi's SDK selects for the children of a component. Undefined for the default provider. */
function kubernetesProvider({ provider, providers = [], parent }: pulumi.ComponentResourceOptions) {
  const given = [...(provider ? [provider] : []), ...Object.values(providers)];
  return given.find((each) => k8s.Provider.isInstance(each)) ?? parent?.getProvider("kubernetes:core/v1:Secret");
}

/** The plugin compares the configuration and the variable with the text `true` (provider.go of pulumi-kubernetes). */
function problemsOfDefault(): SettingProblem[] {
  const value = new pulumi.Config("kubernetes").get("enableSecretMutable");
  if ((value ?? process.env[VARIABLE]) === "true") return [];
  const fix =
    "Run `pulumi config set kubernetes:enableSecretMutable true`, or pass a provider of its own to the component: " +
    "new k8s.Provider(name, { enableSecretMutable: true }).";
  return [{ setting: "kubernetes:enableSecretMutable", value, problem: PROBLEM, fix }];
}

async function checkProvider(provider: pulumi.ProviderResource): Promise<void> {
  // Pulumi's SDK makes each input a member of the resource. A reference to a provider of another program has none.
  const input = (provider as { enableSecretMutable?: unknown }).enableSecretMutable;
  if (!pulumi.Output.isInstance(input)) return;
  const { value, isKnown } = await valueOf(input);
  if (value === true || value === "true") return;
  if (!isKnown && !(value === undefined && (await isPreviewed(provider)))) return;
  const setting = "enableSecretMutable of the Kubernetes provider";
  const fix = "Write new k8s.Provider(name, { enableSecretMutable: true }).";
  throw new SettingsError([{ setting, value, problem: PROBLEM, fix }]);
}

/**
 * Whether this preview includes the provider. Then an input that is `undefined` was not set: in a preview, the SDK marks it as
 * unknown, but an input that is really unknown has a placeholder as its value. If the preview leaves the provider out
 * (`--target`), the provider has no ID, and all its inputs are `undefined`.
 */
async function isPreviewed({ id }: pulumi.ProviderResource): Promise<boolean> {
  return pulumi.runtime.isDryRun() && (await valueOf(id)).value !== undefined;
}
