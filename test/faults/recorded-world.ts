/** Creates what a recorded state describes: its objects in Kubernetes, its documents in Teleport. */
import { withOwner } from "../../components/teleport/resources/document";
import type { RegistrationState } from "../../components/teleport/resources/registration";
import { run } from "../../lab/host/command";
import { kubectl, teleport } from "../lab/lab";

/** A resource of a state. */
export interface StateResource {
  urn: string;
  type: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}

/** How Pulumi marks a secret in a state; the text is JSON. */
const SECRET = "4dabf18193072939515e22adb298388d";

export function resourcesOf(state: string): StateResource[] {
  const { deployment } = JSON.parse(state) as { deployment: { resources?: StateResource[] } };
  return deployment.resources ?? [];
}

/**
 * @param plain the state with its secrets in plain text, as `pulumi stack export --show-secrets` prints it
 * @returns the UIDs in the state, and the current UIDs of the objects and of the Kubernetes cluster
 */
export async function makeWorld(plain: string): Promise<Map<string, string>> {
  const resources = resourcesOf(plain).map((resource) => revealed(resource) as StateResource);
  const uids = new Map<string, string>();
  const here = await kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}");
  for (const { type, inputs, outputs } of resources) {
    if (type.startsWith("kubernetes:")) uids.set(uidOf(outputs), await make(inputs!, outputs!));
    // By which a later release tells Kubernetes clusters apart.
    if (typeof outputs?.kubernetesUid === "string") uids.set(outputs.kubernetesUid, here);
    const { document, owner, registration } = (outputs ?? {}) as Partial<RegistrationState>;
    if (document && owner && registration) await teleport.put(withOwner(document, { owner, registration }));
  }
  return uids;
}

/** Writes like the program's provider, so that its next write finds itself as the former writer. */
async function make(inputs: Record<string, unknown>, outputs: Record<string, unknown>): Promise<string> {
  const manager = `--field-manager=${String(outputs.__fieldManager)}`;
  const apply = ["apply", "--server-side", "--force-conflicts", manager, "--output=json", "-f", "-"];
  const made = JSON.parse(await run("kubectl", apply, { input: JSON.stringify(inputs) })) as Record<string, unknown>;
  const { kind, metadata } = made as { kind: string; metadata: { name: string; namespace: string } };
  if (kind === "Cluster") {
    const { name, namespace } = metadata;
    await kubectlPatiently("-n", namespace, "wait", "--for=condition=Ready", `cluster/${name}`, "--timeout=300s");
  }
  return uidOf(made);
}

function kubectlPatiently(...args: string[]): Promise<string> {
  return run("kubectl", args, { limit: 320_000 });
}

function uidOf(object: Record<string, unknown> | undefined): string {
  return (object?.metadata as { uid: string }).uid;
}

function revealed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealed);
  if (value === null || typeof value !== "object") return value;
  const { [SECRET]: mark, plaintext, ...rest } = value as Record<string, unknown>;
  if (mark !== undefined) return revealed(JSON.parse(String(plaintext)));
  return Object.fromEntries(
    Object.entries({ ...rest, ...(plaintext === undefined ? {} : { plaintext }) }).map(([key, item]) => [
      key,
      revealed(item),
    ]),
  );
}

/** Whether anything of a namespace is left. */
export async function namespaceIsThere(name: string): Promise<boolean> {
  return (await kubectl("get", "namespace", name, "--ignore-not-found", "-o", "name")).trim() !== "";
}
