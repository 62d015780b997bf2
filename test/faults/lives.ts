/** Whether pods were replaced or restarted. */
import { kubectl } from "../lab/lab";

interface Pod {
  metadata: { name: string; uid: string };
  status: { containerStatuses?: { restartCount: number }[] };
}

/** Each instance and pooler with its identity and restart count: the text changes with each replacement and restart. */
export async function lives(namespace: string): Promise<string[]> {
  const { items } = JSON.parse(await kubectl("-n", namespace, "get", "pods", "-lcnpg.io/podRole", "-o", "json")) as {
    items: Pod[];
  };
  const told = items.map(({ metadata: { name, uid }, status: { containerStatuses = [] } }) =>
    [name, uid, ...containerStatuses.map(({ restartCount }) => restartCount)].join(" "),
  );
  return told.sort();
}
