/** A bot in Teleport, as a document. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import type { SettingProblem } from "../../problems";
import type { TeleportDocument } from "../client/tctl";
import type { RegistrationArgs } from "./registration";

/**
 * Settings of a bot. They become `kind: bot, version: v1`, or a user and a role in versions of Teleport without such
 * documents.
 */
export interface TeleportBotArgs extends RegistrationArgs {
  /** Name in Teleport. A change replaces the bot. */
  name: pulumi.Input<string>;
  /** Labels of the bot itself. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Names of the roles that the bot may use. Becomes `spec.roles`. */
  roles: pulumi.Input<pulumi.Input<string>[]>;
}

/** The settings of a bot, without the Teleport cluster. */
export interface BotSettings {
  /** Name in Teleport. */
  name: string;
  /** Labels of the bot itself. */
  labels?: Record<string, string>;
  /** Roles that the bot may use. Becomes `spec.roles`. */
  roles: string[];
}

export const BOT = { kind: "bot", version: "v1" } as const;
/** Characters that a plain role name does not contain. */
const PATTERN = /[*?^$|{}[\]()\\\s]/;

/** The document that Teleport is given. */
export function botDocument({ name, labels = {}, roles }: BotSettings): TeleportDocument {
  return { ...BOT, metadata: { name, labels }, spec: { roles } };
}

/** `bot-<name>`: the name of the bot's user and role, and of the PostgreSQL user that Teleport creates for it. */
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
    return [{ setting: `${setting}.roles`, problem: "must not be empty", fix: "Name the roles that the bot may use." }];
  }
  return names
    .filter((role) => typeof role !== "string" || role === "" || PATTERN.test(role))
    .map((role) => ({
      setting: `${setting}.roles`,
      value: role,
      problem: "must be a role name, not a pattern that could match any role",
      fix: "Write the name of each role.",
    }));
}
