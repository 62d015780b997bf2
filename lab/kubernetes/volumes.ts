/**
 * Where volumes live. kube-controller-manager's host-path provisioner has /tmp/hostpath_pv built in; the lab makes
 * that a link into its state, where the data outlives a cleaned /tmp and `down --purge` finds it.
 */
import { chownSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, rmdirSync, symlinkSync } from "node:fs";
import { CLUSTER, STATE } from "../layout";

/** PostgreSQL's user in CloudNativePG's images. */
export const POSTGRES_UID = 26;

export function ensureVolumes(): void {
  mkdirSync(STATE.volumes, { recursive: true });
  chownSync(STATE.volumes, POSTGRES_UID, POSTGRES_UID);
  const link = CLUSTER.hostPathVolumes;
  if (linkIsOurs()) return;
  if (lstatSync(link, { throwIfNoEntry: false })?.isDirectory() && readdirSync(link).length === 0) rmdirSync(link);
  if (lstatSync(link, { throwIfNoEntry: false })) {
    throw new Error(`${link} belongs to another Kubernetes on this machine. Move it away, then run \`up\` again.`);
  }
  symlinkSync(STATE.volumes, link);
}

export function removeVolumesLink(): void {
  if (linkIsOurs()) rmSync(CLUSTER.hostPathVolumes);
}

function linkIsOurs(): boolean {
  const link = CLUSTER.hostPathVolumes;
  const isLink = lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  return isLink && readlinkSync(link) === STATE.volumes;
}
