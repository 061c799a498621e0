// Discord's markdown as DOM nodes. All text of a message becomes text nodes, so it can never inject markup.

import { element } from "/element.js";
import { moment } from "/moment.js";

const BLOCKS = [
  [/^```(?:[a-z0-9_+.#-]+\n)?\n?([\s\S]*?)\n?```\n?/i, (found) => element("pre", "", element("code", "", found[1]))],
  [/^(#{1,3}) +([^\n]+)\n?/, (found, depth) => element("span", `block h${found[1].length}`, ...inline(found[2], depth))],
  [/^-# +([^\n]+)\n?/, (found, depth) => element("span", "block sub", ...inline(found[1], depth))],
  [/^>>> ?([\s\S]+)/, (found, depth) => element("span", "block quote", ...markdown(found[1], depth))],
  [/^((?:> ?[^\n]*(?:\n|$))+)/, (found, depth) => {
    const lines = found[1].replace(/\n$/, "").replace(/^> ?/gm, "");
    return element("span", "block quote", ...markdown(lines, depth));
  }],
  [/^( *)[-*] +([^\n]+)\n?/, (found, depth) => element("span", found[1] ? "block item deep" : "block item", ...inline(found[2], depth))],
];

const INLINE = [
  [/^\\([^A-Za-z0-9\s])/, (found) => found[1]],
  [/^(`+)([\s\S]*?[^`])\1(?!`)/, (found) => element("code", "", found[2].trim() || found[2])],
  [/^<t:(-?\d{1,13})(?::([tTdDfFRsS]))?>/, (found) => moment(Number(found[1]), found[2] || "f")],
  [/^<@!?(\d{1,20})>/, (found) => element("span", "mention", `@user ${found[1]}`)],
  [/^<@&(\d{1,20})>/, (found) => element("span", "mention", `@role ${found[1]}`)],
  [/^<#(\d{1,20})>/, (found) => element("span", "mention", `#channel ${found[1]}`)],
  [/^@(everyone|here)\b/, (found) => element("span", "mention", found[0])],
  [/^<a?:(\w{2,32}):\d{1,20}>/, (found) => `:${found[1]}:`],
  [/^\[((?:\\.|[^\]\\\n])+)\]\(<?(https?:\/\/[^\s)>]+)>?\)/, (found, depth) => link(found[2], inline(found[1], depth))],
  [/^<(https?:\/\/[^\s>]+)>/, (found) => link(found[1], [found[1]])],
  [/^https?:\/\/[^\s<]+[^\s<.,:;"')\]]/, (found) => link(found[0], [found[0]])],
  [/^\*\*\*([^\s][\s\S]*?)\*\*\*(?!\*)/, (found, depth) => element("strong", "", element("em", "", ...inline(found[1], depth)))],
  [/^\*\*([\s\S]+?)\*\*(?!\*)/, (found, depth) => element("strong", "", ...inline(found[1], depth))],
  [/^__([\s\S]+?)__(?!_)/, (found, depth) => element("u", "", ...inline(found[1], depth))],
  [/^~~([\s\S]+?)~~/, (found, depth) => element("s", "", ...inline(found[1], depth))],
  [/^\|\|([\s\S]+?)\|\|/, (found, depth) => spoiler(inline(found[1], depth))],
  [/^\*([^\s*][\s\S]*?)\*(?!\*)/, (found, depth) => element("em", "", ...inline(found[1], depth))],
  [/^_([^\s_][\s\S]*?)_(?![A-Za-z0-9_])/, (found, depth) => element("em", "", ...inline(found[1], depth)), /\w/],
];
const PLAIN = /^(?:[^\\`<@[h*_~|]+|[\s\S])/;
const DEEPEST = 12;
const MESSAGE_LINK = /^https:\/\/(?:(?:ptb|canary)\.)?discord(?:app)?\.com\/channels\/(\d{1,20})\/(\d{1,20})\/(\d{1,20})$/;

/** Convert `text` to nodes: blocks at the beginnings of lines, inline markup within them. */
export function markdown(text, depth = 0) {
  const nodes = [];
  let rest = text;
  let lines = "";
  while (rest) {
    const [found, make] = first(BLOCKS, rest, "");
    const taken = found && depth < DEEPEST ? found[0] : /^[^\n]*(?:\n(?!```)|\n|$)/.exec(rest)[0];
    if (found && depth < DEEPEST) {
      nodes.push(...inline(lines, depth), make(found, depth + 1));
      lines = "";
    } else {
      const fence = taken.indexOf("```");
      const closed = fence > 0 && rest.indexOf("```", fence + 3) > 0;
      const end = closed ? fence : taken.length;
      lines += rest.slice(0, end);
      rest = rest.slice(end);
      continue;
    }
    rest = rest.slice(taken.length);
  }
  nodes.push(...inline(lines, depth));
  return nodes;
}

/** Convert inline markup to nodes, without blocks. */
export function inline(text, depth = 0) {
  if (depth > DEEPEST) return [text];
  const nodes = [];
  let plain = "";
  for (let rest = text; rest; ) {
    const [found, make] = first(INLINE, rest, plain);
    const taken = found ? found[0] : PLAIN.exec(rest)[0];
    const node = found ? make(found, depth + 1) : taken;
    if (typeof node === "string") {
      plain += node;
    } else {
      nodes.push(plain, node);
      plain = "";
    }
    rest = rest.slice(taken.length);
  }
  nodes.push(plain);
  return nodes.filter((node) => node !== "");
}

function first(rules, rest, before) {
  for (const [pattern, make, notAfter] of rules) {
    const found = notAfter && notAfter.test(before.slice(-1)) ? null : pattern.exec(rest);
    if (found && found[0]) return [found, make];
  }
  return [null, null];
}

/** A link; one to a message leads to the message on this page, by its server, channel and message id. */
function link(address, children) {
  const place = MESSAGE_LINK.exec(address);
  const made = element("a", place ? "jump" : "", ...children);
  if (place) {
    made.href = `#/${place.slice(1).join("/")}`;
    return made;
  }
  made.href = address;
  made.rel = "noopener noreferrer";
  made.target = "_blank";
  return made;
}

function spoiler(children) {
  const made = element("span", "spoiler", ...children);
  made.tabIndex = 0;
  made.setAttribute("role", "button");
  made.setAttribute("aria-label", "Spoiler");
  const open = () => {
    made.classList.add("open");
    made.removeAttribute("role");
    made.removeAttribute("aria-label");
  };
  made.addEventListener("click", open);
  made.addEventListener("keydown", (event) => (event.key === "Enter" || event.key === " ") && open());
  return made;
}
