/** An API server that holds objects by their paths. */
import type { ApiValidator, ApiWriter, DryRunAnswer } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";

export const KUBE_SYSTEM = "/api/v1/namespaces/kube-system";

export class FakeApi implements ApiWriter, ApiValidator {
  readonly server = "https://k8s";
  readonly context = "prod";
  readonly removed: [path: string, uid: string][] = [];
  /** What was created in dry runs. */
  readonly dryRuns: { collection: string; object: object }[] = [];
  /** What a dry run is answered. */
  answer: (collection: string, object: object) => DryRunAnswer = () => ({ code: 201, text: "{}" });
  /** What is at each path; "denied" where the credentials may not look. */
  readonly objects = new Map<string, unknown>();

  constructor(objects: Record<string, unknown> = {}) {
    this.set({ [KUBE_SYSTEM]: { metadata: { uid: "this-cluster" } }, ...objects });
  }

  set(objects: Record<string, unknown>): void {
    for (const [path, object] of Object.entries(objects)) this.objects.set(path, object);
  }

  read = async (path: string): Promise<unknown> => {
    const found = this.objects.get(path.replace(/\?.*/, ""));
    if (found === "denied") throw new KubernetesError("access-denied", `GET ${path} was denied (403)`);
    return found;
  };

  dryRun = async (collection: string, object: object): Promise<DryRunAnswer> => {
    this.dryRuns.push({ collection, object: structuredClone(object) });
    return this.answer(collection, object);
  };

  remove = async (path: string, uid: string): Promise<void> => {
    this.removed.push([path, uid]);
    this.objects.delete(path);
  };
}
