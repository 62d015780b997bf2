/** What must not happen to a Cluster while something of it is renewed: pods that restart, Secrets that are missing. */
import { ChildProcess, spawn } from "node:child_process";
import { kubectl } from "../lab/lab";

interface Pod {
  metadata: { name: string; uid: string };
  status: { containerStatuses?: { restartCount: number }[] };
}

/** Each instance with its identity and how often its containers restarted: another text is another life. */
export async function lives(cluster: string): Promise<string[]> {
  const instances = `-lcnpg.io/cluster=${cluster},cnpg.io/podRole=instance`;
  const { items } = JSON.parse(await kubectl("-n", cluster, "get", "pods", instances, "-o", "json")) as {
    items: Pod[];
  };
  return items.map(({ metadata: { name, uid }, status: { containerStatuses = [] } }) =>
    [name, uid, ...containerStatuses.map(({ restartCount }) => restartCount)].join(" "),
  );
}

/** Follows all Secrets of a namespace through the API. */
export class SecretWatch {
  private told = "";

  private constructor(private readonly watch: ChildProcess) {
    watch.stdout?.setEncoding("utf8").on("data", (text: string) => (this.told += text));
  }

  static begin(namespace: string): SecretWatch {
    const line = 'jsonpath={.type} {.object.metadata.name} {.object.metadata.uid}{"\\n"}';
    const args = ["-n", namespace, "get", "secrets", "--watch", "--output-watch-events", "-o", line];
    // The kernel ends it with this process, however that ends.
    const watch = spawn("setpriv", ["--pdeathsig", "KILL", "--", "kubectl", ...args], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    return new SecretWatch(watch);
  }

  /** What happened to one of them: `ADDED <uid>` for its being there, `MODIFIED <uid>`, `DELETED <uid>`. */
  of(secret: string): string[] {
    return this.told
      .split("\n")
      .map((line) => line.split(" "))
      .flatMap(([type, name, uid]) => (name === secret ? `${type} ${uid}` : []));
  }

  /** Types of everything that happened. */
  get types(): Set<string> {
    return new Set(this.told.split("\n").flatMap((line) => line.split(" ")[0] || []));
  }

  /** Whether it still looks. */
  get looks(): boolean {
    return this.watch.exitCode === null && this.watch.signalCode === null;
  }

  end(): void {
    this.watch.kill();
  }
}
