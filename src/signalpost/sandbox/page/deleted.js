// Deleted messages: Discord shows nothing in their place, this page a small line.
import { element } from "/element.js";
import { clockOf, wholeOf } from "/moment.js";

/** Describe the deletion of `message` by the request or action in `entry`, as the server does. */
export function deletion(message, entry) {
  const title = message.embeds.find((embed) => embed.title)?.title ?? "";
  return {
    id: message.id,
    headline: message.content.split("\n")[0] || title,
    deleted_at: entry.time,
    by_moderator: entry.method === "MODERATOR",
  };
}

/** Build the line for a deletion. */
export function deletedItem({ id, headline, deleted_at: at, by_moderator: byModerator }) {
  const when = new Date(at);
  const who = byModerator ? "Deleted by a moderator" : "Deleted by its webhook";
  const made = element("li", "deleted", `${who} at ${clockOf(when)}${headline ? `: ${headline}` : ""}`);
  made.dataset.deleted = id;
  made.title = wholeOf(when);
  return made;
}

/** Insert the line for a deletion into `list` in the order of messages; return the message item below it. */
export function insertDeleted(list, deleted) {
  const below = [...list.querySelectorAll(".message")].find((item) => BigInt(item.dataset.id) > BigInt(deleted.id));
  if (below) below.before(deletedItem(deleted));
  else list.append(deletedItem(deleted));
  return below;
}
