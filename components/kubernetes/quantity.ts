/** Amounts as Kubernetes and PostgreSQL write them, and CPU and memory of pods. Pure. */
import { SettingProblem } from "../problems";
import { wrong, type Amount } from "../value-check";

/** Kubernetes' notation of quantities, without exponents. */
const QUANTITY = /^([0-9]+(?:\.[0-9]+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?$/;
const DECIMAL = ["k", "M", "G", "T", "P", "E"];
const MEMORY = /^([0-9]+) *(B|kB|MB|GB|TB)$/;
const MEMORY_UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A Kubernetes quantity as a number (of bytes, cores, …). Undefined if it is not valid. */
export function parseQuantity(quantity: string): number | undefined {
  const [, number, unit = ""] = QUANTITY.exec(quantity) ?? [];
  if (number === undefined) return undefined;
  if (unit === "m") return Number(number) / 1_000;
  const power = DECIMAL.indexOf(unit === "Ki" ? "k" : unit.slice(0, 1)) + 1;
  return Number(number) * (unit.endsWith("i") ? 1_024 : 1_000) ** power;
}

/** Other notations of the API server: with an exponent, or with the units n and u. */
const OTHER_QUANTITY = /^([0-9]+(?:\.[0-9]+)?)(?:(n|u)|[eE]([+-]?[0-9]+))$/;

/** A quantity from the API server, e.g. the size of a volume, as a number. Undefined if it is not valid. */
export function bytesOf(quantity: string): number | undefined {
  const [, number, part, exponent] = OTHER_QUANTITY.exec(quantity) ?? [];
  if (number === undefined) return parseQuantity(quantity);
  return Number(number) * 10 ** Number(exponent ?? (part === "n" ? -9 : -6));
}

/**
 * A PostgreSQL amount of memory in bytes. Undefined if it is not valid. A number without a unit counts as megabytes, as in
 * CNPG's webhook (parsePostgresQuantityValue). In PostgreSQL, its unit depends on the setting.
 */
export function parseMemory(memory: string): number | undefined {
  const [, number, unit] = MEMORY.exec(/^[0-9]+$/.test(memory) ? `${memory}MB` : memory) ?? [];
  return number === undefined ? undefined : Number(number) * 1_024 ** MEMORY_UNITS.indexOf(unit ?? "");
}

export function checkQuantity(setting: string, quantity: string | undefined, example: string): SettingProblem[] {
  if (quantity === undefined || (parseQuantity(quantity) ?? 0) > 0) return [];
  return wrong(setting, quantity, "must be a Kubernetes quantity", `Write a number and a unit, e.g. ${example}.`);
}

/** CPU and memory of each instance, as Kubernetes quantities. */
export interface Resources {
  /** CPU and memory that are set aside for an instance, as quantities: `{ cpu: 500m, memory: 1Gi }`. Default: nothing. */
  requests?: Record<string, Amount>;
  /** The most CPU and memory that an instance gets, as quantities: `{ memory: 2Gi }`. Default: no limit. */
  limits?: Record<string, Amount>;
}

export function checkResources(setting: string, resources: Resources = {}): SettingProblem[] {
  const { requests = {}, limits = {} } = resources;
  return [
    ...Object.entries({ requests, limits }).flatMap(([kind, quantities]) =>
      Object.entries(quantities).flatMap(([name, quantity]) =>
        checkQuantity(`${setting}.${kind}.${name}`, quantity, name === "cpu" ? "500m" : "512Mi"),
      ),
    ),
    ...Object.entries(requests).flatMap(([name, quantity]) => {
      const limit = limits[name];
      const [request, most] = [parseQuantity(quantity), parseQuantity(limit ?? "")];
      if (request === undefined || most === undefined || request <= most) return [];
      return wrong(
        `${setting}.requests.${name}`,
        quantity,
        `must not be more than the limit, ${limit}`,
        "Lower it, or raise the limit.",
      );
    }),
  ];
}
