/** Settings of a program of one's own, in which some values may come from other resources. */
import * as pulumi from "@pulumi/pulumi";
import { refuse, SettingProblem } from "../problems";
import { checkArguments, hasComputed } from "../settings/validation";
import type { PostgresClusterArgs } from "./args";
import { checkPostgresCluster } from "./check";
import { planCluster } from "./plan";

/** What the settings' types do not allow. Programs without types may give anything. */
export function checkTypes({ namespace: _, kubernetes: _reached, ...settings }: PostgresClusterArgs): SettingProblem[] {
  return checkArguments("DatabaseSettings", settings);
}

/**
 * A value, once what is computed in the settings is known and checked. In a preview, this may be never; so the value itself is
 * returned there, and a mistake that is known ends the preview.
 *
 * @param value for a resource that everything else depends on; not secret, also where a setting is
 */
export function onceChecked<Value>(
  name: string,
  { namespace: _, kubernetes: _reached, ...settings }: PostgresClusterArgs,
  stack: string,
  value: Value,
): pulumi.Input<Value> {
  if (!hasComputed(settings)) return value;
  const checked = pulumi.output(settings).apply((known) => {
    refuse(checkPostgresCluster("", planCluster(name, known as PostgresClusterArgs, stack)));
    return value;
  });
  return pulumi.runtime.isDryRun() ? value : (pulumi.unsecret(checked) as pulumi.Output<Value>);
}
