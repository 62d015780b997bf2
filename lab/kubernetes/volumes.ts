/**
 * The folder of volumes. kube-controller-manager's host-path provisioner has the path /tmp/hostpath_pv built in. The
 * lab makes it a link into its state, where the data survives a cleanup of /tmp and `down --purge` finds it.
 */
import { chownSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, rmdirSync, symlinkSync } from "node:fs";
import { CLUSTER, STATE } from "../layout";

/** Suffix of the volumes path of every lab. */
const LAB_VOLUMES = "/cnpg-teleport/lab/volumes";

/** PostgreSQL's user in CloudNativePG's images. */
export const POSTGRES_UID = 26;

export function ensureVolumes(): void {
  mkdirSync(STATE.volumes, { recursive: true });
  chownSync(STATE.volumes, POSTGRES_UID, POSTGRES_UID);
  const link = CLUSTER.hostPathVolumes;
  if (target() === STATE.volumes) return;
  // The link belongs to another lab, which is not running: a machine has one lab, and now it is this one.
  if (target()?.endsWith(LAB_VOLUMES)) rmSync(link);
  if (lstatSync(link, { throwIfNoEntry: false })?.isDirectory() && readdirSync(link).length === 0) rmdirSync(link);
  if (lstatSync(link, { throwIfNoEntry: false })) {
    throw new Error(`${link} belongs to another Kubernetes on this machine. Move it away, and then run \`up\` again.`);
  }
  symlinkSync(STATE.volumes, link);
}

export function removeVolumesLink(): void {
  if (target() === STATE.volumes) rmSync(CLUSTER.hostPathVolumes);
}

/** Target of the link, if it is a link. */
function target(): string | undefined {
  const link = CLUSTER.hostPathVolumes;
  return lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(link) : undefined;
}
