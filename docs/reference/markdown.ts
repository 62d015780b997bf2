/** The reference as Markdown. Pure. */
import { Reference, Section, Setting } from "./settings";

/** A heading, what stands below it, and the sections that belong there. */
export interface Chapter {
  title: string;
  text: string;
  reference: Reference;
  /** Whether one writes these (with defaults), or reads them. */
  written: boolean;
}

/** The whole page, for Prettier to format. */
export function markdown(title: string, text: string, chapters: readonly Chapter[]): string {
  return [`# ${title}`, text, ...chapters.flatMap(chapterText)].join("\n\n");
}

function chapterText({ title, text, reference, written }: Chapter): string[] {
  return [`## ${title}`, text, ...reference.sections.flatMap((section) => sectionText(section, written))];
}

function sectionText({ name, kind, paths, meaning, settings }: Section, written: boolean): string[] {
  const chosen = kind ? ` with \`${kind.key}: ${kind.value}\`` : "";
  const where = paths.length > 0 ? `At ${paths.map((path) => `\`${path}\``).join(", ")}${chosen}.` : "";
  const columns = written ? ["setting", "type", "default", "meaning"] : ["output", "type", "meaning"];
  const rows = settings.map((setting) => {
    const fallback = written ? [defaultText(setting)] : [];
    return [`\`${setting.name}\``, typeText(setting), ...fallback, setting.meaning];
  });
  const table = [columns, columns.map(() => "---"), ...rows].map(
    (cells) => `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`,
  );
  return [`### ${heading(name)}`, [where, meaning].filter(Boolean).join(" "), table.join("\n")];
}

function defaultText({ required, default: fallback }: Setting): string {
  return fallback ?? (required ? "**required**" : "");
}

/** The type, with links in place of its `{}`. */
function typeText({ type, sections }: Setting): string {
  const links = sections.map((name) => `[${name.replaceAll("<", "\\<")}](#${anchor(name)})`);
  return type.replaceAll("{}", () => links.shift() ?? "mapping");
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
