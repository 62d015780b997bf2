/** Checks settings that are outputs of other resources. */
import * as pulumi from "@pulumi/pulumi";
import { refuseOutputs } from "../known-outputs";
import { SettingProblem } from "../problems";
import { checkArguments, hasComputed } from "../settings/validation";
import type { PostgresClusterArgs } from "./args";
import { checkPostgresCluster } from "./check";
import { planCluster } from "./plan";

/** Reports values that the types do not allow. The compiler does not check programs in JavaScript. */
export function checkTypes({ namespace: _, kubernetes: _reached, ...settings }: PostgresClusterArgs): SettingProblem[] {
  return checkArguments("DatabaseSettings", settings);
}

/**
 * Returns the value after all outputs in the settings are known and checked. In a preview, outputs may stay unknown, so
 * the preview returns the value at once. A known output that is wrong still fails the preview.
 *
 * @param value an input of the resource that everything else depends on. It is not secret, even if a setting is
 */
export function afterChecks<Value>(
  name: string,
  { kubernetes: _reached, ...settings }: PostgresClusterArgs,
  stack: string,
  value: Value,
): pulumi.Input<Value> {
  if (!hasComputed(settings)) return value;
  const checked = refuseOutputs(settings, (known) => {
    const args = known as PostgresClusterArgs;
    const problems = checkTypes(args);
    return problems.length > 0 ? problems : checkPostgresCluster("", planCluster(name, args, stack));
  });
  return pulumi.runtime.isDryRun() ? value : (checked.apply(() => value) as pulumi.Output<Value>);
}
