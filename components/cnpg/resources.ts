/** CPU and memory of the instances. Pure. */
import { SettingProblem } from "../problems";
import { checkQuantity, parseQuantity } from "../kubernetes/quantity";
import { type Amount, wrong } from "../value-check";

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
