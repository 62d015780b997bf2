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
import { basename, dirname, join } from "node:path";
import { run } from "../host/command";
import { makeDebianLayers, makeLayer } from "./image-layers";
import { CACHE } from "../layout";
import { withLock } from "../host/lock";
import { say, step } from "../host/progress";
import { Tools } from "./tools";
import { FORMER_CNPG, VERSIONS } from "../versions";

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

/** Not one of the lab's images, which would all be built again with it: see `ensureOperatorImage`. */
export const FORMER_OPERATOR_IMAGE = `${REPOSITORY}/cnpg:${FORMER_CNPG}`;

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
  return join(CACHE.images, digestOf(JSON.stringify([parts, binaries])).slice(0, 12));
}

/** Builds the images, unless the cache has them. Returns their folder. */
export async function ensureImages(tools: Tools): Promise<string> {
  const folder = imagesFolder(tools);
  await ensureArchive(folder, "the container images", (work) => makeImages(tools, work));
  return folder;
}

/**
 * Builds the image of another operator on the base layer of the lab's images, unless the cache has it. Returns the folder of
 * its archive.
 *
 * @param images the folder of the lab's images
 * @param manager the operator's executable
 * @param name of the image
 */
export async function ensureOperatorImage(images: string, manager: string, name: string): Promise<string> {
  const parts = [RECIPE, basename(images), manager, name];
  const folder = join(CACHE.images, `operator-${digestOf(JSON.stringify(parts)).slice(0, 12)}`);
  await ensureArchive(folder, name, async (work) => [await operatorImage(name, manager, baseLayers(images), work)]);
  return folder;
}

/** Makes an archive in a temporary folder, unless the cache has it. */
async function ensureArchive(folder: string, what: string, make: (work: string) => Promise<Image[]>): Promise<void> {
  const whenLocked = async () => {
    if (existsSync(folder)) return; // the former holder of the lock has built it
    mkdirSync(CACHE.images, { recursive: true });
    for (const name of readdirSync(CACHE.images)) {
      if (name.startsWith(".making-")) rmSync(join(CACHE.images, name), { recursive: true, force: true });
    }
    const work = join(CACHE.images, `.making-${process.pid}`);
    mkdirSync(work, { recursive: true });
    await writeArchive(join(work, "archive"), await make(work));
    renameSync(join(work, "archive"), folder);
    rmSync(work, { recursive: true });
  };
  if (existsSync(folder)) return;
  const build = () => step(`building ${what}`, whenLocked, { announce: true });
  await withLock(CACHE.lock, build, (holder) => say(`  …    waiting for ${holder}, which is building images`));
}

async function operatorImage(name: string, manager: string, base: readonly Layer[], work: string): Promise<Image> {
  const file = await makeLayer(join(work, "operator.tar"), {
    "operator/manager_amd64": { copyOf: manager },
    manager: { linkTo: "operator/manager_amd64" },
  });
  return {
    tags: [name],
    layers: [...base, await layer(file)],
    config: { User: "65532:65532", Entrypoint: ["/manager"] },
  };
}

async function makeImages(tools: Tools, work: string): Promise<Image[]> {
  const binary = (name: string) => tools.binaries[name] ?? "";
  const { base, barman, postgresql, olderPostgresql, pgbouncer } = await makeDebianLayers(work);
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
  const [baseLayer, barmanLayer, barmanCloudLayer, teleportLayer, tbotLayer, vaultLayer] = await Promise.all(
    [base, barman, barmanCloud, teleport, tbot, vault].map(layer),
  );
  const on = (...layers: (Layer | undefined)[]) => [baseLayer, ...layers].flatMap((one) => one ?? []);
  return [
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
    await operatorImage(IMAGES.operator, binary("manager"), on(), work),
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
  ];
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
    const name = `${digestOf(configuration)}.json`;
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
  return manifestIn(folder).flatMap(({ RepoTags }) => RepoTags);
}

/** The layers below all images in a folder: the image for pauses has no others. */
function baseLayers(folder: string): Layer[] {
  const { Layers = [] } = manifestIn(folder).find(({ RepoTags }) => RepoTags.includes(IMAGES.pause)) ?? {};
  return Layers.map((path) => ({ digest: dirname(path), file: join(folder, path) }));
}

function manifestIn(folder: string): { RepoTags: string[]; Layers: string[] }[] {
  return JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as { RepoTags: string[]; Layers: string[] }[];
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
