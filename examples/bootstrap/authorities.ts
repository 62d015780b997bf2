/** The CAs: a root with an intermediate for servers, and a separate root for clients. */
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { BootstrapSettings } from "./settings";

const HOUR = 3_600;
const ROOT_HOURS = 10 * 365 * 24;
const INTERMEDIATE_HOURS = 5 * 365 * 24;
const KEY = { keyType: "ec", keyBits: 256 };

/** A mount with a CA, ready for roles. */
export interface Authority {
  mount: pulumi.Output<string>;
  ready: pulumi.Resource;
}

/**
 * The CA with which clients verify servers. The root is imported next to the intermediate, because PostgreSQL and
 * libpq need the chain up to a root, and Vault returns only the chain that the mount knows.
 */
export function serverAuthority(settings: BootstrapSettings): Authority {
  const root = settings.rootExists
    ? undefined
    : selfSigned("server-root", settings.rootMount, "PostgreSQL servers root");
  const mount = pkiMount("servers", settings.serverMount, INTERMEDIATE_HOURS);
  const commonName = "PostgreSQL servers";
  const request = new vault.pkisecret.SecretBackendIntermediateCertRequest("servers", {
    backend: mount.path,
    type: "internal",
    commonName,
    excludeCnFromSans: true,
    ...KEY,
  });
  const signed = new vault.pkisecret.SecretBackendRootSignIntermediate(
    "servers",
    {
      backend: root?.mount ?? settings.rootMount,
      csr: request.csr,
      commonName,
      excludeCnFromSans: true,
      ttl: `${INTERMEDIATE_HOURS}h`,
    },
    { dependsOn: root ? [root.ready] : [] },
  );
  const certificate = pulumi.interpolate`${signed.certificate}\n${signed.issuingCa}`;
  const ready = new vault.pkisecret.SecretBackendIntermediateSetSigned("servers", { backend: mount.path, certificate });
  return { mount: mount.path, ready };
}

/**
 * The CA with which instances verify clients. PostgreSQL accepts a certificate with the right name from *any* CA
 * below those in its bundle, so this CA is not an intermediate of a root that also signs for others.
 */
export function clientAuthority({ clientMount }: BootstrapSettings): Authority {
  return selfSigned("clients", clientMount, "PostgreSQL clients");
}

function selfSigned(name: string, path: string, commonName: string): Authority {
  const mount = pkiMount(name, path, ROOT_HOURS);
  const ready = new vault.pkisecret.SecretBackendRootCert(name, {
    backend: mount.path,
    type: "internal",
    commonName,
    excludeCnFromSans: true,
    ttl: `${ROOT_HOURS}h`,
    ...KEY,
  });
  return { mount: mount.path, ready };
}

function pkiMount(name: string, path: string, hours: number): vault.Mount {
  return new vault.Mount(name, { path, type: "pki", maxLeaseTtlSeconds: hours * HOUR });
}
