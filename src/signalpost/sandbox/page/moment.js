// Times as Discord shows them, in the reader's language and zone.
import { element } from "/element.js";

const format = (options) => new Intl.DateTimeFormat(undefined, options);
const SHAPES = {
  t: format({ hour: "numeric", minute: "2-digit" }),
  T: format({ hour: "numeric", minute: "2-digit", second: "2-digit" }),
  d: format({ year: "numeric", month: "2-digit", day: "2-digit" }),
  D: format({ year: "numeric", month: "long", day: "numeric" }),
  f: format({ year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit" }),
  s: format({ year: "numeric", month: "2-digit", day: "2-digit", hour: "numeric", minute: "2-digit" }),
  S: format({ year: "numeric", month: "2-digit", day: "2-digit", hour: "numeric", minute: "2-digit", second: "2-digit" }),
  F: format({ weekday: "long", year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit" }),
};
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const LARGEST = 8.64e12;

/** Render `<t:seconds:shape>`; an impossible date is "Invalid Date", as in Discord. */
export function moment(seconds, shape) {
  const made = element("time", "moment");
  if (Math.abs(seconds) > LARGEST) {
    made.textContent = "Invalid Date";
    return made;
  }
  const date = new Date(seconds * 1000);
  made.dateTime = date.toISOString();
  made.title = SHAPES.F.format(date);
  if (shape === "R") made.dataset.relative = String(seconds);
  made.textContent = shape === "R" ? relative(seconds) : SHAPES[shape].format(date);
  return made;
}

/** Update every `<t:...:R>` on the page. */
export function refreshRelative() {
  for (const each of document.querySelectorAll("time[data-relative]")) {
    const text = relative(Number(each.dataset.relative));
    if (each.textContent !== text) each.textContent = text;
  }
}

function relative(seconds) {
  const away = Math.round(seconds - Date.now() / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(away) >= size) || ["second", 1];
  return RELATIVE.format(Math.trunc(away / size), unit);
}

const startOfDay = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());

export const dayOf = (date) => SHAPES.D.format(date);
export const clockOf = (date) => SHAPES.t.format(date);
export const wholeOf = (date) => SHAPES.F.format(date);

/** "Today at 5:00 AM", for headers and footers. */
export function whenOf(date) {
  const days = Math.round((startOfDay(new Date()) - startOfDay(date)) / 86400000);
  if (days === 0) return `Today at ${clockOf(date)}`;
  if (days === 1) return `Yesterday at ${clockOf(date)}`;
  return `${SHAPES.d.format(date)} ${clockOf(date)}`;
}
