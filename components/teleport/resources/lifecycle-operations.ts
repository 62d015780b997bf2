/** The methods of Pulumi's provider for everything that is registered in Teleport. */
import { checkDocument } from "./document-check";
import { TeleportError } from "../client/errors";
import type { Provider } from "../../dynamic/converge";
import { registrations } from "./lifecycle";
import { RegistrationInputs, RegistrationState } from "./registration";

/** The provider's methods. The parameter is the way to register; tests use one with a fake Teleport. */
export function registrationMethods({
  collision,
  create,
  read,
  diff,
  update,
  remove,
}: ReturnType<typeof registrations>): Provider<RegistrationInputs, RegistrationState> {
  return {
    async check(olds, news) {
      const failures = checkDocument(news.document);
      // Pulumi passes the olds of a resource that stays, and none for a new or renamed resource.
      const isNew = !(olds as Partial<RegistrationState> | undefined)?.document;
      if (failures.length > 0 || !isNew) return { inputs: news, failures };
      const reason = await collisionIfKnown(news);
      return { inputs: news, failures: reason === undefined ? [] : [{ property: "document", reason }] };
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

  /**
   * A preview works without Teleport and without an identity. It then prints that it could not check the name, and
   * create checks it.
   */
  async function collisionIfKnown(inputs: RegistrationInputs): Promise<string | undefined> {
    try {
      return await collision(inputs);
    } catch (error) {
      if (!(error instanceof TeleportError)) throw error;
      console.error(`Could not check whether the name is free in Teleport: ${error.message}`);
      return undefined;
    }
  }
}
