/** A fake of Kubernetes with one Cluster and a few other objects. It answers the SQL that runs in the Cluster. */
import { Command, CommandResult, KubernetesClient, KubernetesObject } from "../../../components/kubernetes/client";

export interface Ran {
  pod: string;
  database: string;
  script: string;
}

export class FakeKubernetes implements KubernetesClient {
  readonly ran: Ran[] = [];
  cluster: KubernetesObject | undefined = {
    metadata: { name: "orders", uid: "uid-1" },
    spec: {},
    status: { currentPrimary: "orders-1" },
  };
  /** Other objects, by name. */
  readonly objects = new Map<string, KubernetesObject>();
  /** What psql prints for a script. Undefined means nothing. */
  answer: (ran: Ran) => string | Partial<CommandResult> | undefined = () => undefined;

  async get({ name }: { name: string }): Promise<KubernetesObject | undefined> {
    return name === this.cluster?.metadata.name ? this.cluster : this.objects.get(name);
  }

  async list(): Promise<KubernetesObject[]> {
    return [];
  }

  /** The log of each container. */
  readonly logs: Record<string, string> = {};

  async log({ container }: { container: string }): Promise<string | undefined> {
    return this.logs[container];
  }

  async remove(): Promise<void> {}

  async patch(..._: Parameters<KubernetesClient["patch"]>): Promise<void> {}

  async patchStatus(..._: Parameters<KubernetesClient["patchStatus"]>): Promise<void> {}

  async create({ name }: { name: string }, object: object): Promise<void> {
    this.objects.set(name, object as KubernetesObject);
  }

  async own(): Promise<void> {}

  async exec({ pod, command, input = "" }: Command): Promise<CommandResult> {
    const database = command.find((word) => word.startsWith("PGDATABASE="))?.slice("PGDATABASE=".length) ?? "";
    const ran = { pod, database, script: input };
    this.ran.push(ran);
    const answer = this.answer(ran) ?? "";
    const end = typeof answer === "string" ? { stdout: answer.replaceAll("\n", "\0") } : answer; // psql ends rows with NUL
    return { code: 0, stdout: "", stderr: "", ...end };
  }
}
