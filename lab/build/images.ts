/**
 * Builds the container images locally: one layer with Debian, PostgreSQL and PgBouncer, one with Barman, and one layer
 * each with the operator, its Barman Cloud plugin, Teleport, tbot and Vault. They are cached as an unpacked `docker save` archive, by a hash of everything
 * that goes into them.
 */
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../host/command";
import { makeDebianLayers, makeLayer } from "./image-layers";
import { CACHE } from "../layout";
import { withLock } from "../host/lock";
import { say, step } from "../host/progress";
import { Tools } from "./tools";
import { VERSIONS } from "../versions";

const REPOSITORY = "lab.local";

/** Names of the images in the cluster. */
export const IMAGES = {
  postgresql: `${REPOSITORY}/postgresql:${VERSIONS.postgresqlMajor}`,
  /** The version from which major upgrades start. */
  olderPostgresql: `${REPOSITORY}/postgresql:${VERSIONS.olderPostgresqlMajor}`,
  pgbouncer: `${REPOSITORY}/pgbouncer:1`,
  operator: `${REPOSITORY}/cnpg:${VERSIONS.cnpg}`,
  barmanCloud: `${REPOSITORY}/plugin-barman-cloud:${VERSIONS.barmanCloud}`,
  /** For the plugin's container in the pods of Clusters. */
  barmanCloudSidecar: `${REPOSITORY}/plugin-barman-cloud-sidecar:${VERSIONS.barmanCloud}`,
  teleport: `${REPOSITORY}/teleport:${VERSIONS.teleport}`,
  /** tbot, and tsh, which opens tunnels with the certificates of this version of tbot. */
  tbot: `${REPOSITORY}/tbot:${VERSIONS.teleport}`,
  /** For Vault's agent in an application's pod. */
  vault: `${REPOSITORY}/vault:${VERSIONS.vault}`,
  pause: `${REPOSITORY}/pause:1`,
};

/** Increase this number with every change of how the images are built. */
const RECIPE = 8;

interface Image {
  tags: string[];
  layers: Layer[];
  config: { User: string; Entrypoint?: string[]; Cmd?: string[] };
  /** Version whose programs are on the PATH. Default: the newer one. */
  postgresqlMajor?: string;
}

interface Layer {
  digest: string;
  file: string;
}

export function imagesFolder(tools: Tools): string {
  const parts = [RECIPE, VERSIONS.debian, VERSIONS.postgresqlMajor, VERSIONS.olderDebian, IMAGES];
  const binaries = ["manager", "plugin-barman-cloud", "teleport", "tbot", "tsh", "vault"].map(
    (name) => tools.binaries[name],
  );
  const hash = createHash("sha256")
    .update(JSON.stringify([parts, binaries]))
    .digest("hex")
    .slice(0, 12);
  return join(CACHE.images, hash);
}

/** Builds the images, unless the cache has them. Returns their folder. */
export async function ensureImages(tools: Tools): Promise<string> {
  const folder = imagesFolder(tools);
  if (!existsSync(folder)) {
    const make = () => step("building the container images", () => makeImages(tools, folder), { announce: true });
    await withLock(CACHE.lock, make, (holder) => say(`  …    waiting for ${holder}, which is building the images`));
  }
  return folder;
}

async function makeImages(tools: Tools, folder: string): Promise<void> {
  if (existsSync(folder)) return; // the former holder of the lock has built them
  mkdirSync(CACHE.images, { recursive: true });
  for (const name of readdirSync(CACHE.images)) {
    if (name.startsWith(".making-")) rmSync(join(CACHE.images, name), { recursive: true, force: true });
  }
  const work = join(CACHE.images, `.making-${process.pid}`);
  mkdirSync(work, { recursive: true });
  const binary = (name: string) => tools.binaries[name] ?? "";
  const { base, barman, postgresql, olderPostgresql, pgbouncer } = await makeDebianLayers(work);
  const operator = await makeLayer(join(work, "operator.tar"), {
    "operator/manager_amd64": { copyOf: binary("manager") },
    manager: { linkTo: "operator/manager_amd64" },
  });
  const barmanCloud = await makeLayer(join(work, "barman-cloud.tar"), {
    manager: { copyOf: binary("plugin-barman-cloud") },
  });
  const teleport = await makeLayer(join(work, "teleport.tar"), {
    "usr/local/bin/teleport": { copyOf: binary("teleport") },
  });
  const tbot = await makeLayer(join(work, "tbot.tar"), {
    "usr/local/bin/tbot": { copyOf: binary("tbot") },
    "usr/local/bin/tsh": { copyOf: binary("tsh") },
  });
  const vault = await makeLayer(join(work, "vault.tar"), {
    "usr/local/bin/vault": { copyOf: binary("vault") },
  });
  const [baseLayer, barmanLayer, operatorLayer, barmanCloudLayer, teleportLayer, tbotLayer, vaultLayer] =
    await Promise.all([base, barman, operator, barmanCloud, teleport, tbot, vault].map(layer));
  const on = (...layers: (Layer | undefined)[]) => [baseLayer, ...layers].flatMap((one) => one ?? []);
  await writeArchive(join(work, "archive"), [
    {
      tags: [IMAGES.postgresql, `${REPOSITORY}/postgresql:${postgresql}`],
      layers: on(),
      config: { User: "26:26", Cmd: ["/bin/sh"] },
    },
    {
      tags: [IMAGES.olderPostgresql, `${REPOSITORY}/postgresql:${olderPostgresql}`],
      layers: on(),
      config: { User: "26:26", Cmd: ["/bin/sh"] },
      postgresqlMajor: VERSIONS.olderPostgresqlMajor,
    },
    {
      tags: [IMAGES.pgbouncer, `${REPOSITORY}/pgbouncer:${pgbouncer}`],
      layers: on(),
      config: { User: "998:996", Cmd: ["/usr/bin/pgbouncer"] },
    },
    { tags: [IMAGES.operator], layers: on(operatorLayer), config: { User: "65532:65532", Entrypoint: ["/manager"] } },
    {
      tags: [IMAGES.barmanCloud],
      layers: on(barmanCloudLayer),
      config: { User: "65532:65532", Entrypoint: ["/manager"] },
    },
    {
      tags: [IMAGES.barmanCloudSidecar],
      layers: on(barmanLayer, barmanCloudLayer),
      config: { User: "26:26", Entrypoint: ["/manager"] },
    },
    {
      tags: [IMAGES.teleport],
      layers: on(teleportLayer),
      config: { User: "0:0", Entrypoint: ["/usr/local/bin/teleport"] },
    },
    {
      tags: [IMAGES.tbot],
      layers: on(tbotLayer),
      config: { User: "65532:65532", Entrypoint: ["/usr/local/bin/tbot"] },
    },
    {
      tags: [IMAGES.vault],
      layers: on(vaultLayer),
      config: { User: "65534:65534", Entrypoint: ["/usr/local/bin/vault"] },
    },
    { tags: [IMAGES.pause], layers: on(), config: { User: "65535:65535", Entrypoint: ["/bin/sleep", "infinity"] } },
  ]);
  renameSync(join(work, "archive"), folder);
  rmSync(work, { recursive: true });
}

/** Writes the files of `docker save`: manifest.json, a configuration for each image, and a folder for each layer. */
async function writeArchive(folder: string, images: Image[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const manifest = images.map(({ tags, layers, config, postgresqlMajor }) => {
    for (const { digest, file } of layers) {
      const target = join(folder, digest, "layer.tar");
      mkdirSync(dirname(target), { recursive: true });
      if (!existsSync(target)) linkSync(file, target);
    }
    const configuration = JSON.stringify(imageConfiguration(layers, config, postgresqlMajor));
    const name = `${createHash("sha256").update(configuration).digest("hex")}.json`;
    writeFileSync(join(folder, name), configuration);
    return { Config: name, RepoTags: tags, Layers: layers.map(({ digest }) => `${digest}/layer.tar`) };
  });
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
}

function imageConfiguration(
  layers: Layer[],
  config: Image["config"],
  postgresqlMajor: string = VERSIONS.postgresqlMajor,
): object {
  const path = `/usr/lib/postgresql/${postgresqlMajor}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  return {
    architecture: "amd64",
    os: "linux",
    created: "2026-01-01T00:00:00Z",
    config: { ...config, WorkingDir: "/", Env: [`PATH=${path}`, "LANG=C.UTF-8"] },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
  };
}

async function layer(file: string): Promise<Layer> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return { digest: hash.digest("hex"), file };
}

/** Imports the archive into containerd. */
export async function importImages(folder: string, socket: string): Promise<void> {
  const script = 'tar -C "$1" -cf - . | ctr --address "$2" --namespace k8s.io images import -';
  await run("sh", ["-c", script, "import", folder, socket], { limit: 300_000 });
}

/** All names of the images in a folder. */
export function imageNames(folder: string): string[] {
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as { RepoTags: string[] }[];
  return manifest.flatMap(({ RepoTags }) => RepoTags);
}
