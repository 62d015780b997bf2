/** Where an archive is: two Clusters that write to the same place damage each other's backups. Pure. */
import { valueIfKnown } from "../value-check";
import type { BackupSettings } from "./backup";
import type { ObjectStore } from "./object-store";

/** An archive: its name, and the object store that contains it. */
export type Archive = Pick<BackupSettings, "objectStore" | "archiveName">;

/** The folder of an archive, for messages. */
export function archivePlace({ objectStore, archiveName = "" }: Archive): string {
  const path = valueIfKnown(objectStore.destinationPath);
  return path === undefined ? archiveName : `${path.replace(/\/+$/, "")}/${archiveName}`;
}

/**
 * Whether two archives are, or may be, the same folder. An endpoint that is not known yet may be any endpoint. Names that
 * are generated, and different buckets that are not known yet, count as different.
 */
export function mayBeSameArchive(one: Archive, other: Archive): boolean {
  const [store, otherStore] = [one.objectStore, other.objectStore];
  if (one.archiveName === undefined || one.archiveName !== other.archiveName) return false;
  if (store.destinationPath !== otherStore.destinationPath) {
    const folder = folderOf(store);
    if (folder === undefined || folder !== folderOf(otherStore)) return false;
  }
  if (store.endpointURL !== undefined && store.endpointURL === otherStore.endpointURL) return true;
  const [endpoint, otherEndpoint] = [endpointOf(store), endpointOf(otherStore)];
  return endpoint === undefined || otherEndpoint === undefined || endpoint === otherEndpoint;
}

/** A store's folder, in one form for all ways to write it. `gs://` and `s3://` can lead to the same bucket of Google. */
function folderOf(store: ObjectStore): string | undefined {
  const path = valueIfKnown(store.destinationPath);
  const [, scheme, bucket = "", folder = ""] = /^([a-z0-9]+):\/\/([^/]*)(.*)$/.exec(path ?? "") ?? [];
  if (scheme === undefined) return path;
  const kind = scheme === "gs" ? "s3" : scheme;
  return `${kind}://${bucket.toLowerCase().replace(/:443$/, "")}${folder.replace(/\/+/g, "/").replace(/\/$/, "")}`;
}

/** All endpoints of one provider lead to the same buckets, in every region and network. */
const PROVIDERS = [
  { name: "Amazon", hosts: /(^|\.)(amazonaws\.com(\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$/ },
  { name: "Google", hosts: /(^|\.)googleapis\.com$/ },
];

/**
 * The server that a store's path is for, in one form for all ways to write it. barman-cloud uses `endpointURL` only for
 * S3. Undefined if it is not known yet.
 */
function endpointOf(store: ObjectStore): string | undefined {
  const path = valueIfKnown(store.destinationPath) ?? "s3://";
  if (path.startsWith("gs://")) return "Google";
  if (!path.startsWith("s3://")) return "in the path";
  // The environment of the plugin's container can contain another default, e.g. in AWS_ENDPOINT_URL.
  if (store.endpointURL === undefined) return store.sidecar?.env === undefined ? "Amazon" : undefined;
  const text = valueIfKnown(store.endpointURL) ?? "";
  if (!URL.canParse(text)) return undefined;
  const { hostname, port, pathname } = new URL(text);
  const host = hostname.replace(/\.$/, "");
  const provider = PROVIDERS.find(({ hosts }) => hosts.test(host));
  return provider?.name ?? `${host}:${port}${pathname.replace(/\/+$/, "")}`;
}
