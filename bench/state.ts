/** The sizes of states and their parts, in kB of 1,000 bytes, as `pulumi stack export` prints them. Pure. */

interface State {
  deployment: { resources?: Resource[] };
}

interface Resource {
  type: string;
  inputs?: { __provider?: unknown };
  outputs?: { __provider?: unknown };
}

const REGISTRATION = "pulumi-nodejs:dynamic/teleport:Database";

/** The whole state. */
export function stateSize(exported: string): number {
  if (resourcesOf(exported).length === 0) throw new Error("The state has no resources.");
  return Buffer.byteLength(exported) / 1_000;
}

/** The mean of the registrations of databases in Teleport: the resource, and the text of its provider. */
export function registrationSizes(exported: string): { resource: number; providerText: number } {
  const found = resourcesOf(exported).filter(({ type }) => type === REGISTRATION);
  if (found.length === 0) throw new Error(`The state has no resource of the type ${REGISTRATION}.`);
  const mean = (sizes: number[]) => sizes.reduce((sum, size) => sum + size, 0) / sizes.length / 1_000;
  return {
    resource: mean(found.map((resource) => Buffer.byteLength(JSON.stringify(resource, null, 4)))),
    providerText: mean(
      found.map(({ inputs, outputs }) =>
        [inputs, outputs].reduce((sum, part) => sum + Buffer.byteLength(JSON.stringify(part?.__provider ?? "")), 0),
      ),
    ),
  };
}

function resourcesOf(exported: string): Resource[] {
  return (JSON.parse(exported) as State).deployment.resources ?? [];
}
