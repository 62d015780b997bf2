/**
 * What the providers of provider.ts run, in Pulumi's process for dynamic providers: the pure parts and
 * the adapter, put into the shape of Pulumi's provider methods. Old states call these names: keep them.
 */
import type * as pulumi from "@pulumi/pulumi";
import { readDatabaseClientCa } from "./cert-authorities";
import { checkDocument } from "./document-check";
import { TeleportError } from "./errors";
import { RegistrationInputs, registrations, RegistrationState } from "./registration";
import { TeleportConnection, withTeleport } from "./tctl";

type Provider<Inputs, State> = Required<Omit<pulumi.dynamic.ResourceProvider<Inputs, State>, "configure">>;

/** Inputs of a CertAuthority: the connection as given; the rest is read by `check`, so that preview shows a change. */
export interface CertAuthorityInputs extends TeleportConnection {
  cluster?: string;
  certificates?: string[];
  rotationPhase?: string;
}

const { create, read, diff, update, remove } = registrations();

const registration: Provider<RegistrationInputs, RegistrationState> = {
  async check(_olds, news) {
    return { inputs: news, failures: checkDocument(news.document) };
  },
  async diff(_id, olds, news) {
    return diff(olds, news);
  },
  async create(inputs) {
    return { id: inputs.document.metadata.name, outs: await create(inputs) };
  },
  async read(id, props) {
    if (!props?.document)
      throw new TeleportError("failed", `${id} cannot be imported; set teleport.adopt: true to take it over.`);
    const state = await read(props);
    return state ? { id, props: state } : {};
  },
  async update(_id, olds, news) {
    return { outs: await update(olds, news) };
  },
  async delete(_id, props) {
    await remove(props);
  },
};

const certAuthority: Provider<CertAuthorityInputs, CertAuthorityInputs> = {
  async check(olds, { proxy, credentials }) {
    const connection = { proxy, ...(credentials === undefined ? {} : { credentials }) };
    try {
      return { inputs: { ...connection, ...(await withTeleport(connection, readDatabaseClientCa)) } };
    } catch (error) {
      // What was read before still holds where nothing in Teleport has to change; a rotation shows when it answers again.
      const known = olds?.proxy === proxy && olds.certificates;
      if (!known || !(error instanceof TeleportError) || error.failure !== "unavailable") throw error;
      console.error(`The Teleport CA at ${proxy} could not be read, the one known before is kept: ${error.message}`);
      return { inputs: { ...olds, ...connection } };
    }
  },
  async diff(_id, olds, news) {
    const told = ({ proxy, credentials, cluster, certificates, rotationPhase }: CertAuthorityInputs) =>
      JSON.stringify([proxy, credentials, cluster, certificates, rotationPhase]);
    return { changes: told(olds) !== told(news) };
  },
  async create(inputs) {
    return { id: inputs.cluster ?? inputs.proxy, outs: inputs };
  },
  async read(id, props) {
    if (!props) return {};
    const { rotationPhase: _former, ...known } = props; // Pulumi takes no undefined values
    return { id, props: { ...known, ...(await withTeleport(props, readDatabaseClientCa)) } };
  },
  async update(_id, _olds, news) {
    return { outs: news };
  },
  async delete() {
    // Reading made nothing, so there is nothing to remove.
  },
};

export const operations = { registration, certAuthority };
export type TeleportOperations = typeof operations;
