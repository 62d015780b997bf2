/** Checks settings of the Kubernetes provider that a component needs. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { valueOf } from "../known-outputs";
import { refuse, SettingProblem, SettingsError } from "../problems";

/** A setting of the provider that must be true. */
interface Requirement {
  setting: "enableSecretMutable" | "upsertExistingObjects";
  /** Used by the default provider if the configuration has no value. */
  variable: string;
  problem: string;
  /** How to give a component its own provider. */
  provider: string;
  /** One check for each provider, so that all its components fail with the same error, which Pulumi prints once. */
  checks: WeakMap<pulumi.ProviderResource, Promise<void>>;
}

/** Without it, the provider deletes a Secret whose data change, and creates it again. A Cluster stops while the Secret of a CA is missing. */
const MUTABLE_SECRETS: Requirement = {
  setting: "enableSecretMutable",
  variable: "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
  problem:
    "must be true, because otherwise Pulumi deletes a Secret and creates it again when its certificate is renewed",
  provider: "new k8s.Provider(name, { enableSecretMutable: true })",
  checks: new WeakMap(),
};

/** Without it, the provider refuses to create an object that exists (from 4.29 on). */
const UPSERTING: Requirement = {
  setting: "upsertExistingObjects",
  variable: "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
  problem: "must be true for a database with adopt: true, because otherwise Pulumi does not take over what exists",
  provider: "new k8s.Provider(name, { enableSecretMutable: true, upsertExistingObjects: true })",
  checks: new WeakMap(),
};

/**
 * The options for a component that creates Secrets. With a provider that does not update them in place, nothing of the
 * component is created, neither in a preview nor in `up --skip-preview`: its children wait for it, and it waits for this check.
 *
 * @throws SettingsError for the default provider. With any other provider, the registration of the component fails with it.
 */
export function requireMutableSecrets(opts?: pulumi.ComponentResourceOptions): pulumi.ComponentResourceOptions {
  return required(MUTABLE_SECRETS, opts);
}

/**
 * The options for a component that takes over existing objects.
 *
 * @throws SettingsError like requireMutableSecrets
 */
export function requireUpserting(opts?: pulumi.ComponentResourceOptions): pulumi.ComponentResourceOptions {
  return required(UPSERTING, opts);
}

function required(
  requirement: Requirement,
  opts: pulumi.ComponentResourceOptions = {},
): pulumi.ComponentResourceOptions {
  const { checks } = requirement;
  const provider = kubernetesProvider(opts);
  if (provider === undefined) {
    refuse(problemsOfDefault(requirement));
    return opts;
  }
  const check = checks.get(provider) ?? checkProvider(requirement, provider);
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
function problemsOfDefault({ setting, variable, problem, provider }: Requirement): SettingProblem[] {
  const value = new pulumi.Config("kubernetes").get(setting);
  if ((value ?? process.env[variable]) === "true") return [];
  const fix =
    `Run \`pulumi config set kubernetes:${setting} true\`, or pass a provider of its own to the component: ` +
    `${provider}.`;
  return [{ setting: `kubernetes:${setting}`, value, problem, fix }];
}

async function checkProvider(
  { setting, problem, provider: example }: Requirement,
  provider: pulumi.ProviderResource,
): Promise<void> {
  // Pulumi's SDK makes each input a member of the resource. A reference to a provider of another program has none.
  const input = (provider as { [Setting in Requirement["setting"]]?: unknown })[setting];
  if (!pulumi.Output.isInstance(input)) return;
  const { value, isKnown } = await valueOf(input);
  if (value === true || value === "true") return;
  if (!isKnown && !(value === undefined && (await isPreviewed(provider)))) return;
  const fix = `Write ${example}.`;
  throw new SettingsError([{ setting: `${setting} of the Kubernetes provider`, value, problem, fix }]);
}

/**
 * Whether this preview includes the provider. Then an input that is `undefined` was not set: in a preview, the SDK marks it as
 * unknown, but an input that is really unknown has a placeholder as its value. If the preview leaves the provider out
 * (`--target`), the provider has no ID, and all its inputs are `undefined`.
 */
async function isPreviewed({ id }: pulumi.ProviderResource): Promise<boolean> {
  return pulumi.runtime.isDryRun() && (await valueOf(id)).value !== undefined;
}
