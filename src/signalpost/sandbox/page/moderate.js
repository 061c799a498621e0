// What a moderator can do: delete a message, move a webhook, archive or lock a thread.
import { element } from "/element.js";

const MOVED = "-moved";

export async function moderate(action) {
  const headers = { "Content-Type": "application/json" };
  await fetch("/_moderate", { method: "POST", headers, body: JSON.stringify(action) });
}

/** Fill the moderator's part of the menu for a channel, its webhooks and the sandbox's threads. */
export function showModerator(place, channel, threads, close) {
  const other = channel.name.endsWith(MOVED) ? channel.name.slice(0, -MOVED.length) : channel.name + MOVED;
  const move = () => channel.webhooks.map((webhook) => ({ action: "move-webhook", webhook, channel: other }));
  const choices = [[`Move its webhook to #${other}`, move]];
  const own = threads.filter((thread) => thread.channel === null || thread.channel === channel.name);
  for (const { id, archived, locked } of own) {
    const change = (changes) => () => [{ action: "set-thread", thread_id: id, archived, locked, ...changes }];
    choices.push([`${archived ? "Reopen" : "Archive"} thread ${id}`, change({ archived: !archived })]);
    choices.push([`${locked ? "Unlock" : "Lock"} thread ${id}`, change({ locked: !locked })]);
  }
  place.replaceChildren(...choices.map(([text, actions]) => {
    const made = element("button", "choice", element("span", "", text));
    made.type = "button";
    made.addEventListener("click", async () => {
      for (const action of actions()) await moderate(action);
      close();
    });
    return made;
  }));
}
