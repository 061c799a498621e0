// Renders one message as Discord does.
import { element, icon } from "/element.js";
import { inline, markdown } from "/markdown.js";
import { clockOf, wholeOf, whenOf } from "/moment.js";
import { phoneLine } from "/phone.js";

const MINUTES_OF_ONE_GROUP = 7;
const SUPPRESS_EMBEDS = 1 << 2;
const SUPPRESS_NOTIFICATIONS = 1 << 12;
const TONES = 6;
const BELL = "M6 17h12l-1.500-2.500V10a4.500 4.500 0 0 0-9 0v4.500L6 17zM10.500 19.500h3M4 4l16 16";
const BIN = "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.500 11v6M13.500 11v6";

export const pingsSomeone = (message) =>
  message.mention_everyone || message.mentions.length > 0 || message.mention_roles.length > 0;

export const isSilent = (message) => (message.flags & SUPPRESS_NOTIFICATIONS) !== 0;

/** True if `message` belongs under the header of the one `before` it. */
export function continues(message, before) {
  if (!before || before.author.username !== message.author.username) return false;
  if (isSilent(message) !== isSilent(before)) return false;
  const [now, then] = [new Date(message.timestamp), new Date(before.timestamp)];
  return now - then < MINUTES_OF_ONE_GROUP * 60000 && now.toDateString() === then.toDateString();
}

/** Build the list item for `message`; `before` is the message above it, if any. */
export function messageItem(message, before) {
  const at = new Date(message.timestamp);
  const isFirst = !continues(message, before);
  const item = element("li", isFirst ? "message first" : "message");
  item.dataset.id = message.id;
  item.classList.toggle("ping", pingsSomeone(message));
  if (isFirst) item.append(avatar(message.author.username), head(message, at));
  else item.append(timeElement("span", "aside", at, clockOf(at)));
  item.append(...body(message), phoneLine(message), deleteButton());
  return item;
}

function avatar(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  if (name === "signalpost") {
    const icon = element("img", "avatar");
    icon.src = "/icon.svg";
    icon.alt = "";
    return icon;
  }
  const made = element("span", `avatar tone-${sum % TONES}`, [...name][0].toUpperCase());
  made.setAttribute("aria-hidden", "true");
  return made;
}

function head(message, at) {
  const made = element("div", "head", element("span", "author", message.author.username), element("span", "tag", "APP"));
  made.append(timeElement("time", "when", at, whenOf(at)));
  if (isSilent(message)) made.append(icon("silent", BELL, "Silent: no notification"));
  return made;
}

function timeElement(tag, className, at, text) {
  const made = element(tag, className, text);
  made.title = wholeOf(at);
  if (tag === "time") made.dateTime = at.toISOString();
  return made;
}

/** The button by which a moderator deletes the message. */
function deleteButton() {
  const made = element("button", "delete", icon("", BIN, "Delete as a moderator"));
  made.type = "button";
  made.title = "Delete as a moderator";
  return made;
}

function body(message) {
  const parts = [];
  const content = element("div", "content", ...markdown(message.content));
  if (message.edited_timestamp) {
    const edited = element("span", "edited", "(edited)");
    edited.title = wholeOf(new Date(message.edited_timestamp));
    content.append(edited);
  }
  if (content.hasChildNodes()) parts.push(content);
  const isInEmbed = (each) => message.embeds.some((data) => data.image && data.image.url === `attachment://${each.filename}`);
  const files = message.attachments.filter((each) => !isInEmbed(each));
  if (files.length) parts.push(element("div", "files", ...files.map(file)));
  if (!(message.flags & SUPPRESS_EMBEDS)) parts.push(...message.embeds.map((data) => embed(data, message.attachments)));
  const other = [message.components.length && "components", message.poll && "a poll"].filter(Boolean);
  if (other.length) parts.push(element("div", "content sub", `(${other.join(" and ")}, not shown here)`));
  return parts;
}

function file(attachment) {
  const size = attachment.size < 1024 ? `${attachment.size} bytes` : `${(attachment.size / 1024).toFixed(1)} KB`;
  return element("div", "file", element("div", "", element("div", "", attachment.filename), element("div", "size", size)));
}

function embed(data, attachments) {
  const made = element("article", "embed");
  if (data.color !== undefined) made.style.borderLeftColor = `#${data.color.toString(16).padStart(6, "0")}`;
  if (data.author) made.append(element("div", "embed-author", linked(data.author.name, data.author.url, false)));
  if (data.title) made.append(element("div", "embed-title", linked(data.title, data.url, true)));
  if (data.description) made.append(element("div", "embed-description", ...markdown(data.description)));
  if (data.fields) made.append(fields(data.fields));
  if (data.image) made.append(picture("embed-image", data.image.url, attachments));
  if (data.thumbnail) made.append(picture("embed-thumbnail", data.thumbnail.url, attachments));
  if (data.footer || data.timestamp) made.append(footer(data));
  made.classList.toggle("wide", Boolean(data.image || (data.fields || []).some((field) => field.inline)));
  return made;
}

function linked(text, address, withMarkdown) {
  const children = withMarkdown ? inline(text) : [text];
  if (!address) return element("span", "", ...children);
  const made = element("a", "", ...children);
  made.href = address;
  made.rel = "noopener noreferrer";
  made.target = "_blank";
  return made;
}

/** Fields side by side: consecutive inline ones share rows of three; a row of two is halved. */
function fields(all) {
  const grid = element("div", "fields");
  for (let index = 0; index < all.length; ) {
    let row = 1;
    while (all[index].inline && row < 3 && all[index + row]?.inline) row += 1;
    for (const field of all.slice(index, index + row)) {
      const name = element("div", "field-name", ...inline(field.name));
      const value = element("div", "field-value block", ...markdown(field.value));
      grid.append(element("div", `field of-${row}`, name, value));
    }
    index += row;
  }
  return grid;
}

/** Show an uploaded picture, and only the name of any other: this page sends requests to its own server alone. */
function picture(className, address, attachments) {
  const uploaded = attachments.find((each) => address === `attachment://${each.filename}`);
  if (uploaded) {
    const image = element("img", className);
    image.src = `/_files/${uploaded.id}`;
    image.alt = image.title = uploaded.description || uploaded.filename;
    return image;
  }
  const name = address.split(/[?#]/)[0].split("/").pop() || address;
  const made = element("div", `picture ${className}`, `Image: ${name}`);
  made.title = address;
  return made;
}

function footer(data) {
  const made = element("div", "embed-footer");
  if (data.footer) made.append(data.footer.text);
  if (data.footer && data.timestamp) made.append(element("span", "sep", "•"));
  if (data.timestamp) {
    const at = new Date(data.timestamp);
    made.append(timeElement("time", "", at, whenOf(at)));
  }
  return made;
}
