/** Runs kubectl as the lab's administrator, in the lab's network. */
import { CommandOptions, runInside } from "../host/command";
import { CLUSTER, STATE } from "../layout";
import { tool } from "../build/tools";

export function kubectl(args: string[], options: CommandOptions = {}): Promise<string> {
  // HOME: kubectl keeps a cache of the API's resources there.
  const env = { HOME: STATE.root, KUBECONFIG: CLUSTER.kubeconfig };
  return runInside(tool("kubectl"), ["--request-timeout=30s", ...args], { env, ...options });
}

interface PodStatus {
  conditions?: { type: string; status: string }[];
  containerStatuses?: { state?: { running?: { startedAt: string }; waiting?: { reason?: string } } }[];
}

/** Replaces crashed pods whose restart is delayed by up to five minutes: what they were missing may exist by now. */
export async function retryCrashed(namespace: string, selector: string): Promise<void> {
  const printed = await kubectl(["-n", namespace, "get", "pods", "-l", selector, "-o", "json"]);
  const pods = (JSON.parse(printed) as { items: { metadata: { name: string }; status: PodStatus }[] }).items;
  for (const { metadata, status } of pods) {
    const crashed = status.containerStatuses?.some(({ state }) => state?.waiting?.reason === "CrashLoopBackOff");
    if (crashed) await kubectl(["-n", namespace, "delete", "pod", metadata.name, "--wait=false"]);
  }
}

/** Whether a pod is ready whose containers were started after `since`: an older status may be from before a restart. */
export async function podReady(namespace: string, selector: string, since: Date): Promise<boolean> {
  const printed = await kubectl(["-n", namespace, "get", "pods", "-l", selector, "-o", "json"]);
  const pods = (JSON.parse(printed) as { items: { status: PodStatus }[] }).items;
  return pods.some(({ status }) => {
    const ready = status.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True");
    const started =
      status.containerStatuses?.map(({ state }) => new Date(state?.running?.startedAt ?? 0).getTime()) ?? [];
    return ready && started.length > 0 && started.every((time) => time >= since.getTime() - 1000);
  });
}
