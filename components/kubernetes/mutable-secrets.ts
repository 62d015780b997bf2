/**
 * Whether the Kubernetes provider updates Secrets in place. It does so only with `enableSecretMutable`: otherwise it deletes
 * a Secret whose data change, and creates it again. A Cluster without the Secret of a CA stops.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { refuse, SettingProblem, SettingsError } from "../problems";

/** Counts for the default provider where the configuration has no value. */
const VARIABLE = "PULUMI_K8S_ENABLE_SECRET_MUTABLE";
const PROBLEM =
  "must be true, because otherwise Pulumi deletes a Secret and creates it again when its certificate is renewed";

/** What an Output has in Pulumi's SDK, beside what its types show. */
interface OutputInternals {
  isKnown: Promise<boolean>;
  promise(withUnknowns: boolean): Promise<unknown>;
}

/** One for each provider, so that one error is told for all components that use it. */
const checks = new WeakMap<pulumi.ProviderResource, Promise<void>>();

/**
 * The options of a component that makes Secrets. With a provider that does not update them in place, nothing of the
 * component is made, in a preview and in `up --skip-preview`: its children wait for it, and it waits for this check.
 *
 * @throws SettingsError here for the default provider. For any other one, the component's registration fails with it.
 */
export function requireMutableSecrets(opts: pulumi.ComponentResourceOptions = {}): pulumi.ComponentResourceOptions {
  const provider = kubernetesProvider(opts);
  if (provider === undefined) {
    refuse(problemsOfDefault());
    return opts;
  }
  const check = checks.get(provider) ?? checkProvider(provider);
  checks.set(provider, check);
  // The SDK waits for a promise of whatever `dependsOn` may be. The state keeps only the resources in it.
  const dependsOn = check.then(() => opts.dependsOn ?? []) as Promise<pulumi.Resource[]>;
  return { ...opts, dependsOn };
}

/** As Pulumi's SDK chooses it for the children of a component; undefined for the default provider. */
function kubernetesProvider({ provider, providers = [], parent }: pulumi.ComponentResourceOptions) {
  const given = [...(provider ? [provider] : []), ...Object.values(providers)];
  return given.find((each) => k8s.Provider.isInstance(each)) ?? parent?.getProvider("kubernetes:core/v1:Secret");
}

/** The plugin compares the configuration and the variable with `true` (pulumi-kubernetes, provider.go). */
function problemsOfDefault(): SettingProblem[] {
  const value = new pulumi.Config("kubernetes").get("enableSecretMutable");
  if ((value ?? process.env[VARIABLE]) === "true") return [];
  const fix =
    "Run `pulumi config set kubernetes:enableSecretMutable true`, or pass a provider of its own to the component: " +
    "new k8s.Provider(name, { enableSecretMutable: true }).";
  return [{ setting: "kubernetes:enableSecretMutable", value, problem: PROBLEM, fix }];
}

async function checkProvider(provider: pulumi.ProviderResource): Promise<void> {
  // Pulumi's SDK puts each input on the resource. A provider that is only referred to has none.
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
 * Whether this preview looked at the provider: an input without a value is one that is left out. The SDK gives these no value
 * and calls them unknown in a preview, but gives unknown ones a value that says so. `--target` may leave the provider out:
 * then it has no ID, and none of its inputs has a value.
 */
async function isPreviewed({ id }: pulumi.ProviderResource): Promise<boolean> {
  return pulumi.runtime.isDryRun() && (await valueOf(id)).value !== undefined;
}

/** `apply` would not be called for what is unknown. An SDK without these internals tells nothing. */
async function valueOf(output: pulumi.Output<unknown>): Promise<{ value?: unknown; isKnown: boolean }> {
  const { isKnown, promise } = output as unknown as Partial<OutputInternals>;
  if (typeof promise !== "function") return { isKnown: false };
  return { value: await promise(true), isKnown: (await isKnown) ?? false };
}
