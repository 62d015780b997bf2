/** A new two-instance Cluster until the first query through Teleport. */
import { TeleportDocument } from "../../components/teleport/client/tctl";
import { logIn } from "../../lab/drive/login";
import { run } from "../../lab/host/command";
import { waitFor } from "../../lab/host/wait";
import { TELEPORT } from "../../lab/layout";
import { Bench, seconds } from "../bench";
import { BENCH_LABEL, namesOf, STACK } from "../labels";
import { deleteNamespaces, newStack, pulumi } from "../place";
import { running } from "../settings";
import { databases, removeAll, tctl } from "../teleport";

const [NAME = ""] = namesOf("ours", 1);
/** The names of the primary and the standby in Teleport. */
const IN_TELEPORT = [`${NAME}-${STACK}`, `${NAME}-${STACK}-ro`];
/** Seconds after which a measurement fails. */
const LIMIT = 15 * 60;

/** What `up` makes, and what makes the same Cluster without the library. */
interface ReadyMade {
  objects: object[];
  documents: TeleportDocument[];
}

export async function firstQuery(bench: Bench): Promise<void> {
  let readyMade: ReadyMade | undefined;
  const byUp = async () => {
    const stack = await newStack();
    stack.configure(running(NAME, { instances: 2 }));
    const duration = await seconds(async () => {
      await pulumi(stack, "up", "--yes", "--skip-preview");
      await query();
    });
    readyMade ??= { objects: await objectsOfCluster(), documents: await documentsOfCluster() };
    await pulumi(stack, "destroy", "--yes", "--skip-preview");
    await stack.remove();
    return duration;
  };
  const byHand = async () => {
    if (!readyMade) throw new Error("The first round must begin with `up`, which makes the objects.");
    const { objects, documents } = readyMade;
    const list = { apiVersion: "v1", kind: "List", items: objects };
    const duration = await seconds(async () => {
      await run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify(list) });
      await tctl(["create"], documents.map((document) => JSON.stringify(document)).join("\n"));
      await waitFor("an instance is ready", isServed, { limit: LIMIT });
      await query();
    });
    await removeAll(IN_TELEPORT);
    await deleteNamespaces([NAME]);
    return duration;
  };
  await bench.rounds(() => bench.measure("firstQuery", { ours: byUp, baseline: byHand }));
}

/** Logs in through Teleport until a query succeeds. */
async function query(): Promise<void> {
  const login = {
    identity: TELEPORT.identity("reader"),
    proxy: TELEPORT.proxy,
    teleportDatabase: IN_TELEPORT[0] ?? "",
    user: "teleport_user_read",
    database: "app",
  };
  const succeeds = async () => {
    const { code, output } = await logIn(login, "SELECT 1");
    if (code !== 0) throw new Error(output);
    return true;
  };
  await waitFor("a query through Teleport succeeds", succeeds, { limit: LIMIT });
}

/** A login costs more than this question, so the first login waits for an instance. */
async function isServed(): Promise<boolean> {
  const path = "-o=jsonpath={.status.readyInstances}";
  return Number(await run("kubectl", ["-n", NAME, "get", "cluster", NAME, path])) > 0;
}

interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: object[];
  };
  [field: string]: unknown;
}

/** The Namespace, the Secrets that CloudNativePG did not make, and the Cluster, as `kubectl apply` takes them. */
async function objectsOfCluster(): Promise<object[]> {
  const { items } = JSON.parse(
    await run("kubectl", ["-n", NAME, "get", "secrets,clusters.postgresql.cnpg.io", "-o", "json"]),
  ) as { items: KubernetesObject[] };
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAME, labels: BENCH_LABEL } };
  const made = items.filter(({ metadata }) => !metadata.ownerReferences?.length);
  return [
    namespace,
    ...made.map(({ metadata: { name, labels, annotations }, status: _, ...rest }) => ({
      ...rest,
      metadata: { name, namespace: NAME, labels, annotations },
    })),
  ];
}

/** The registrations, as `tctl create` takes them. */
async function documentsOfCluster(): Promise<TeleportDocument[]> {
  const found = (await databases()).filter(({ metadata }) => IN_TELEPORT.includes(metadata.name));
  if (found.length !== IN_TELEPORT.length) throw new Error(`Teleport lists ${found.length} of ${IN_TELEPORT.length}.`);
  return found.map(({ kind, version, metadata: { name, description, labels }, spec: { protocol, uri, tls } }) => ({
    kind,
    version,
    metadata: { name, description, labels },
    spec: { protocol, uri, tls },
  }));
}
