/** The address of a Teleport proxy. Pure. */
import { SettingProblem } from "../problems";

const HOST_PORT = /^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})$/;

/** Checks `host:port`. A missing value passes. */
export function checkProxyAddress(setting: string, proxy: string | undefined): SettingProblem[] {
  const port = Number(HOST_PORT.exec(proxy ?? "teleport:443")?.[2] ?? NaN);
  if (port > 0 && port < 65_536) return [];
  return [
    {
      setting,
      value: proxy,
      problem: "must be the address of a Teleport proxy",
      fix: "Write host:port without a scheme, e.g. teleport.example.com:443.",
    },
  ];
}
