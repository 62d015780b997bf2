/** A fake of the API server, with objects by path. */
import type { ApiValidator, ApiWriter, DryRunAnswer } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";

export const KUBE_SYSTEM = "/api/v1/namespaces/kube-system";

export class FakeApi implements ApiWriter, ApiValidator {
  readonly server = "https://k8s";
  readonly context = "prod";
  readonly removed: [path: string, uid: string][] = [];
  /** Objects of dry runs. */
  readonly dryRuns: { collection: string; object: object }[] = [];
  /** The answer to a dry run. */
  answer: (collection: string, object: object) => DryRunAnswer = () => ({ code: 201, text: "{}" });
  /** The object at each path; "denied" if the credentials may not read it. */
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
