/** Outputs in the arguments of components, and their checks as soon as they are known. */
import * as pulumi from "@pulumi/pulumi";
import { refuse, SettingProblem } from "./problems";

/** Members of an Output that the types of Pulumi's SDK do not show. */
interface OutputInternals {
  isKnown: Promise<boolean>;
  promise(withUnknowns?: boolean): Promise<unknown>;
}

/** Also of an unknown value, for which `apply` is not called. If the SDK has no such members, the value counts as unknown. */
export async function valueOf(output: pulumi.Output<unknown>): Promise<{ value?: unknown; isKnown: boolean }> {
  const { isKnown, promise } = output as unknown as Partial<OutputInternals>;
  if (typeof promise !== "function") return { isKnown: false };
  return { value: await promise(true), isKnown: (await isKnown) ?? false };
}

/**
 * Checks inputs as soon as their outputs are known. If one of them is secret, the error shows no values.
 *
 * @returns an output that is known after the check, and fails with a SettingsError. It is not secret
 */
export function refuseOutputs<Inputs extends object>(
  inputs: Inputs,
  check: (known: pulumi.Unwrap<Inputs>) => SettingProblem[],
): pulumi.Output<unknown> {
  const all = pulumi.output(inputs);
  const checked = pulumi.all([all, pulumi.isSecret(all)]).apply(([known, isSecret]) => {
    const problems = check(known as pulumi.Unwrap<Inputs>);
    refuse(isSecret ? problems.map(({ value: _, ...problem }) => problem) : problems);
  });
  return pulumi.unsecret(checked);
}

/** Arguments that were checked before. */
const checkedBefore = new WeakSet<object>();

/** Marks arguments that another component has checked, so that a mistake is reported once. Returns them. */
export function alreadyChecked<Args extends object>(args: Args): Args {
  checkedBefore.add(args);
  return args;
}

/**
 * Checks arguments of a component: plain values at once, and outputs as soon as they are known. The children of the component
 * wait for it, and it waits for the check, so nothing is created before. A preview does not wait for unknown outputs.
 *
 * @param args the arguments. Those that another component has checked are not checked again
 * @param inputs the part of the arguments that is checked, in which values may be outputs
 * @param check called with the inputs if all are plain, else with their known values
 * @returns the options for the component, and an output that is known after the check. If outputs are wrong, the registration
 * of the component and the output fail with one SettingsError
 * @throws SettingsError if plain values are wrong
 */
export function checkArgs<Inputs extends object>(
  opts: pulumi.ComponentResourceOptions = {},
  args: object,
  inputs: Inputs,
  check: (inputs: Inputs | pulumi.Unwrap<Inputs>) => SettingProblem[],
): { opts: pulumi.ComponentResourceOptions; checked: pulumi.Output<unknown> } {
  const isChecked = checkedBefore.has(args);
  if (!isChecked) refuse(check(inputs));
  if (isChecked || isPlain(inputs)) return { opts, checked: pulumi.output(true) };
  const checked = refuseOutputs(inputs, check);
  // The SDK waits for a promise of any value of `dependsOn`. Only the resources in it are stored in the state.
  const dependsOn = valueOf(checked).then(() => opts.dependsOn ?? []) as Promise<pulumi.Resource[]>;
  return { opts: { ...opts, dependsOn }, checked };
}

/** Whether no output and no promise is in a value. */
function isPlain(value: unknown): boolean {
  if (value === null || typeof value !== "object") return true;
  if (pulumi.Output.isInstance(value) || value instanceof Promise) return false;
  return Object.values(value).every(isPlain);
}

/** The error about a resource that is left out, by run: all that depends on it fails with one error, which Pulumi prints once. */
const leftOut = new WeakMap<object, pulumi.RunError>();
/** Stands for the run of a unit test. */
const WITHOUT_STACK = {};

/**
 * An output of a resource that every created resource has. A run with `--target` does not create new resources that are left
 * out, and then their outputs are undefined. What follows from them must not be computed from nothing.
 *
 * @returns the output; fails with a RunError if the resource is left out
 */
export function ofCreated<Value>(resource: pulumi.CustomResource, output: pulumi.Output<Value>): pulumi.Output<Value> {
  return pulumi.all([output, resource.urn]).apply(([value, urn]) => {
    if (value !== undefined) return value as Value;
    const run = pulumi.runtime.getStackResource() ?? WITHOUT_STACK;
    const error =
      leftOut.get(run) ??
      new pulumi.RunError(
        `This run leaves out a new resource whose certificate others need: ${urn}. Run \`pulumi up\` without --target, or add ` +
          `--target '${urn}'.`,
      );
    leftOut.set(run, error);
    throw error;
  }) as pulumi.Output<Value>;
}
