// The line under a message that says what a phone's notification showed for it.
import { element, icon } from "/element.js";

const PHONE = "M8 2h8a1.500 1.500 0 0 1 1.500 1.500v17A1.500 1.500 0 0 1 16 22H8a1.500 1.500 0 0 1-1.500-1.500v-17A1.500 1.500 0 0 1 8 2zM11 18.500h2";
const HINT = "What a reader's phone shows if notifications are on for every message of the channel";

/** Build the line; `message.push` is the notification's text, null for a silent message. */
export function phoneLine(message) {
  const shown = `${message.author.username}: ${message.push || "(no text)"}`;
  const text = element("div", "push", message.push === null ? "no notification (silent)" : shown);
  const made = element("div", "phone", icon("phone-icon", PHONE, "Phone"), element("div", "", text));
  if (message.edited_timestamp) text.after(element("div", "", "edit: no notification"));
  made.title = HINT;
  return made;
}
