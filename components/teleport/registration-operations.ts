/** The methods of Pulumi's provider behind everything that is registered in Teleport. */
import { checkDocument } from "./document-check";
import { TeleportError } from "./errors";
import type { Provider } from "./operations";
import { RegistrationInputs, registrations, RegistrationState } from "./registration";

const { create, read, diff, update, remove } = registrations();

export const registrationOperations: Provider<RegistrationInputs, RegistrationState> = {
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
