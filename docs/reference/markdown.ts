/** The reference as Markdown. Pure. */
import { headingOf } from "./concepts";
import { CHOOSES, Section, Setting } from "./settings";

/** A heading, what stands below it, and the types that belong there. */
export interface Chapter {
  title: string;
  text: string;
  settings: readonly Setting[];
  sections: readonly Section[];
  /** Whether one writes these (with defaults), or reads them. */
  written: boolean;
}

/** The whole page, for Prettier to format. */
export function markdown(title: string, text: string, chapters: readonly Chapter[]): string {
  return [`# ${title}`, text, contents(chapters), ...chapters.flatMap(chapterText)].join("\n\n");
}

/** Each heading, with the keys of the file and the settings of a database that it is about. */
function contents(chapters: readonly Chapter[]): string {
  return chapters
    .map(({ title, settings, sections }) => {
      const keys = sections.flatMap(({ paths }) => /^(\w+)(\.<name>)?$/.exec(paths[0] ?? "")?.[1] ?? []);
      const names = new Set([...requiredFirst(settings).map(({ name }) => name), ...keys]);
      return `- [${title}](#${anchor(title)}): ${[...names].map((name) => `\`${name}\``).join(", ")}`;
    })
    .join("\n");
}

function chapterText({ title, text, settings, sections, written }: Chapter): string[] {
  const rows = requiredFirst(settings).map((setting) => row(setting, written));
  return [`## ${title}`, text, rows.join("\n"), ...sections.flatMap((section) => sectionText(section, written))].filter(
    Boolean,
  );
}

function sectionText({ name, kind, paths, meaning, settings }: Section, written: boolean): string[] {
  const chosen = kind ? ` with ${listed(kind.values.map((value) => `\`${kind.key}: ${value}\``))}` : "";
  const where = paths.length > 0 ? `At ${paths.map((path) => `\`${path}\``).join(", ")}${chosen}.` : "";
  const others = settings.filter((setting) => !(setting.name === kind?.key && setting.meaning === CHOOSES));
  const rows = (written ? requiredFirst(others) : others).map((setting) => row(setting, written));
  return [`### ${heading(name)}`, [where, meaning].filter(Boolean).join(" "), rows.join("\n")].filter(Boolean);
}

function requiredFirst(settings: readonly Setting[]): Setting[] {
  return [...settings.filter(({ required }) => required), ...settings.filter(({ required }) => !required)];
}

/** What it is called, what one writes and what happens without it; below that, what it means. */
function row(setting: Setting, written: boolean): string {
  const { name, required, meaning, default: fallback } = setting;
  const state = written
    ? [...(required ? ["Required."] : []), ...(fallback === undefined ? [] : [`Default: ${fallback}.`])]
    : required
      ? []
      : ["Optional."];
  return `- **\`${name}\`**: ${[`${typeText(setting)}.`, ...state].join(" ")}\\\n  ${meaning}`;
}

/** The type, with links in place of its `{}`. */
function typeText({ type, sections }: Setting): string {
  const links = sections.map((name) => `[${name.replaceAll("<", "\\<")}](#${anchor(headingOf(name))})`);
  return type.replaceAll("{}", () => links.shift() ?? "mapping");
}

/** `a`, `a or b`, `a, b or c`. */
function listed(texts: readonly string[]): string {
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} or ${texts.at(-1)}`;
}

/** Paths have characters that Markdown would take for a tag. */
function heading(name: string): string {
  return /[<.[]/.test(name) ? `\`${name}\`` : name;
}

/** As GitHub makes the anchor of a heading. */
function anchor(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}
