/** A bot in Teleport, as a document. Pure. */
import type { SettingProblem } from "../../problems";
import type { TeleportDocument } from "../client/tctl";

/** What is known of a bot, without where to register it. */
export interface BotSettings {
  /** Name in Teleport. */
  name: string;
  /** Labels of the bot itself. */
  labels?: Record<string, string>;
  /** Roles that it may take on. Becomes `spec.roles`. */
  roles: string[];
}

export const BOT = { kind: "bot", version: "v1" } as const;
/** What is no plain name of a role. */
const PATTERN = /[*?^$|{}[\]()\\\s]/;

/** The document that Teleport is given. */
export function botDocument({ name, labels = {}, roles }: BotSettings): TeleportDocument {
  return { ...BOT, metadata: { name, labels }, spec: { roles } };
}

/** `bot-<name>`: the name of its user and of its role, and of the PostgreSQL user that Teleport makes for it. */
export function botAccountName(name: string): string {
  return `bot-${name}`;
}

/** What we declare of a bot: servers add its user's name, a lifetime, traits that nobody set. */
export function declaredBot({ kind, version, metadata, spec }: TeleportDocument): TeleportDocument {
  return { kind, version, metadata, spec: { roles: spec.roles } };
}

/** Checks the spec of a bot as it is sent. */
export function checkBotSpec(setting: string, { roles }: Record<string, unknown>): SettingProblem[] {
  const names: unknown[] = Array.isArray(roles) ? roles : [];
  if (names.length === 0) {
    return [{ setting: `${setting}.roles`, problem: "is empty", fix: "Name the roles that the bot may take on." }];
  }
  return names
    .filter((role) => typeof role !== "string" || role === "" || PATTERN.test(role))
    .map((role) => ({
      setting: `${setting}.roles`,
      value: role,
      problem: "is no name of a role, and could stand for any",
      fix: "Name each role.",
    }));
}
