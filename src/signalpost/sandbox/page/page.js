// The page: the list of channels, the open channel and incoming changes.
import { deletedItem, deletion, insertDeleted } from "/deleted.js";
import { element } from "/element.js";
import { messageItem, pingsSomeone } from "/message.js";
import { dayOf, refreshRelative } from "/moment.js";
import { moderate } from "/moderate.js";
import { showWelcome } from "/welcome.js";
import { connectProvoke } from "/provoke.js";

const MOST_SHOWN = 200;
const NEAR_THE_END = 80;
const MILLISECONDS_BETWEEN_CHANGES = 50;
const MILLISECONDS_OF_A_NOTICE = 8000;
const OUTCOMES = ["taken", "refused", "limited", "failed", "cut"];
const HINTS = {
  taken: "answered with 2xx",
  refused: "answered with 4xx",
  limited: "answered with 429",
  failed: "answered with 5xx",
  cut: "connection reset instead of an answer",
};

const byId = (id) => document.getElementById(id);
const [app, list, scroller, present] = ["app", "messages", "scroller", "present"].map(byId);

const channels = new Map();
let current = null;
let missed = 0;
const waiting = [];
let latestCounts = {};
let taking = null;
let guild = null;
let threads = [];
let hiding = null;
const provoke = connectProvoke(() => channels.get(current), () => threads);

function channelOf(name) {
  if (!channels.has(name)) {
    const lists = { messages: [], deleted: [], webhooks: [] };
    const made = { name, ...lists, unread: 0, pings: 0, firstUnread: null, ...channelLink(name) };
    channels.set(name, made);
    byId("channels").append(element("li", "", made.link));
  }
  return channels.get(name);
}

function channelLink(name) {
  const hash = element("span", "hash", "#");
  hash.setAttribute("aria-hidden", "true");
  const badge = element("span", "badge");
  badge.hidden = true;
  const link = element("a", "channel", hash, element("span", "name", name), badge);
  link.href = `#${encodeURIComponent(name)}`;
  return { link, badge };
}

function markUnread(channel) {
  const { link, badge } = channel;
  link.classList.toggle("unread", channel.unread > 0);
  badge.hidden = channel.unread === 0;
  badge.classList.toggle("ping", channel.pings > 0);
  badge.textContent = channel.unread > 999 ? "999+" : String(channel.unread);
  badge.setAttribute("aria-label", `${channel.unread} unread`);
}

function showTitle() {
  const unread = [...channels.values()].reduce((sum, channel) => sum + channel.unread, 0);
  document.title = `${unread ? `(${unread}) ` : ""}${current ? `#${current} · ` : ""}signalpost sandbox`;
  byId("menu-dot").hidden = unread === 0;
}

// The open channel

function open(name) {
  const channel = channelOf(name);
  if (current !== null) channelOf(current).link.removeAttribute("aria-current");
  current = name;
  const firstUnread = channel.firstUnread;
  Object.assign(channel, { unread: 0, pings: 0, firstUnread: null });
  channel.link.setAttribute("aria-current", "page");
  markUnread(channel);
  byId("title").textContent = name;
  app.classList.remove("channels-open");
  byId("menu").setAttribute("aria-expanded", "false");
  showAll(channel, firstUnread);
}

function showAll(channel, firstUnread) {
  showWelcome(byId("welcome"), channel.name, channel.webhooks[0]);
  list.replaceChildren();
  append(channel.messages, null, firstUnread);
  for (const deleted of channel.deleted) showDeleted(channel, deleted);
  showTopic(channel);
  showTitle();
  toTheEnd();
}

function append(messages, before, firstUnread = null) {
  const items = document.createDocumentFragment();
  for (const message of messages) {
    const day = dayOf(new Date(message.timestamp));
    const isNewDay = !before || dayOf(new Date(before.timestamp)) !== day;
    if (isNewDay) items.append(divider(day, "divider"));
    if (message.id === firstUnread) items.append(divider("New", "divider new"));
    items.append(messageItem(message, isNewDay || message.id === firstUnread ? null : before));
    before = message;
  }
  list.append(items);
}

function showDeleted(channel, deleted) {
  const below = insertDeleted(list, deleted);
  if (below) showAgain(channel, channel.messages.findIndex((message) => message.id === below.dataset.id));
}

function divider(text, className) {
  const made = element("li", className, element("span", "", text));
  made.setAttribute("role", "separator");
  return made;
}

function showTopic(channel) {
  const count = channel.messages.length;
  const shown = count >= MOST_SHOWN ? `the last ${MOST_SHOWN} messages` : `${count} message${count === 1 ? "" : "s"}`;
  byId("topic").textContent = count ? shown : "nothing yet";
}

const isAtTheEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_THE_END;

function toTheEnd() {
  missed = 0;
  present.hidden = true;
  scroller.scrollTop = scroller.scrollHeight;
}

function trim(channel) {
  const items = list.querySelectorAll(".message");
  for (let index = 0; index < items.length - MOST_SHOWN; index += 1) items[index].remove();
  const surplus = items.length > MOST_SHOWN ? ".divider:not(:has(+ .message)), .deleted" : ".divider:not(:has(+ li))";
  while (list.firstElementChild?.matches(surplus)) list.firstElementChild.remove();
  const [first] = list.querySelectorAll(".message");
  const index = channel.messages.findIndex((message) => message.id === first?.dataset.id);
  if (items.length > MOST_SHOWN && index >= 0) showAgain(channel, index);
}

// Links to messages

/** Open what the address names: a channel, or a message by its server, channel and message id. */
function follow() {
  if (location.hash.startsWith("#/")) return jump(...location.hash.slice(2).split("/"));
  const name = decodeURIComponent(location.hash.slice(1));
  if (channels.has(name)) open(name);
}

function jump(server, channelId, id) {
  const isIt = (message) => message.id === id && message.channel_id === channelId && server === guild;
  const channel = [...channels.values()].find(({ messages }) => messages.some(isIt));
  if (!channel) return notify("That message is not here: it was deleted, is too old, or is in another server or channel.");
  if (channel.name !== current) open(channel.name);
  const item = itemOf(channel, id);
  item.scrollIntoView({ block: "center" });
  item.classList.remove("jumped");
  requestAnimationFrame(() => item.classList.add("jumped"));
}

function notify(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (byId("notice").hidden = true), MILLISECONDS_OF_A_NOTICE);
}

// Incoming changes

function take(entries) {
  const arrived = [];
  const unseen = [];
  const wasAtTheEnd = isAtTheEnd();
  for (const entry of entries) {
    if (!entry.channel) continue;
    const channel = channelOf(entry.channel);
    if (entry.webhook && !channel.webhooks.includes(entry.webhook)) moveWebhook(entry.webhook, channel);
    if (entry.recorded && entry.message_id) takeOne(channel, entry, arrived, unseen);
  }
  if (arrived.length) showArrived(arrived, wasAtTheEnd);
  for (const deleted of unseen) showDeleted(channelOf(current), deleted);
  for (const channel of channels.values()) markUnread(channel);
  showTitle();
  if (entries.some((entry) => entry.fault)) provoke.refresh();
}

function moveWebhook(webhook, to) {
  for (const channel of channels.values()) channel.webhooks = channel.webhooks.filter((each) => each !== webhook);
  to.webhooks.push(webhook);
}

/** Show everything that arrived while the page was busy in one go, so that a flood renders only what remains. */
function takeWaiting() {
  taking = null;
  showCounts(latestCounts);
  take(waiting.splice(0));
  if (current === null && channels.size) open(channels.keys().next().value);
}

function takeOne(channel, entry, arrived, unseen) {
  const index = channel.messages.findIndex((message) => message.id === entry.message_id);
  if (!entry.message) {
    if (index >= 0) takeAway(channel, index, entry, arrived, unseen);
  } else if (index >= 0) {
    entry.message.push = channel.messages[index].push;
    channel.messages[index] = entry.message;
    const place = arrived.findIndex((message) => message.id === entry.message_id);
    if (place >= 0) arrived[place] = entry.message;
    showAgain(channel, index);
  } else if (entry.method === "POST") {
    entry.message.push = entry.notification;
    channel.messages.push(entry.message);
    if (channel.messages.length > MOST_SHOWN) channel.messages.shift();
    if (channel.name === current) arrived.push(entry.message);
    if (channel.name !== current || document.hidden) countUnread(channel, entry.message);
  }
}

function countUnread(channel, message) {
  channel.unread += 1;
  channel.pings += pingsSomeone(message) ? 1 : 0;
  channel.firstUnread ??= message.id;
}

function showArrived(arrived, wasAtTheEnd) {
  const channel = channelOf(current);
  const kept = arrived.slice(-MOST_SHOWN);
  const before = channel.messages[channel.messages.indexOf(kept[0]) - 1] ?? null;
  append(kept, before);
  if (kept.length < 20) for (const item of [...list.children].slice(-kept.length)) item.classList.add("arrived");
  trim(channel);
  showTopic(channel);
  if (wasAtTheEnd) {
    toTheEnd();
  } else {
    missed += arrived.length;
    present.textContent = `${missed} new message${missed === 1 ? "" : "s"} below: jump to the present`;
    present.hidden = false;
  }
}

const itemOf = (channel, id) => channel.name === current && list.querySelector(`[data-id="${CSS.escape(id)}"]`);

/** `unseen` takes the deletions of messages that arrived just now, so that no item shows them yet. */
function takeAway(channel, index, entry, arrived, unseen) {
  const [message] = channel.messages.splice(index, 1);
  const deleted = deletion(message, entry);
  channel.deleted.push(deleted);
  const place = arrived.findIndex(({ id }) => id === message.id);
  if (place >= 0) arrived.splice(place, 1);
  const item = itemOf(channel, message.id);
  if (!item && channel.name === current) unseen.push(deleted);
  if (!item) return;
  item.replaceWith(deletedItem(deleted));
  if (index < channel.messages.length) showAgain(channel, index);
  showTopic(channel);
}

function showAgain(channel, index) {
  const message = channel.messages[index];
  const item = itemOf(channel, message.id);
  if (!item) return;
  const isBelowOne = item.previousElementSibling?.matches(".message");
  item.replaceWith(messageItem(message, isBelowOne ? channel.messages[index - 1] : null));
}

function showCounts(counts) {
  byId("counts").replaceChildren(
    ...OUTCOMES.flatMap((outcome) => {
      const word = element("dt", "", outcome);
      word.title = HINTS[outcome];
      const bad = { refused: "bad", failed: "bad", cut: "bad", limited: "held" }[outcome];
      return [word, element("dd", counts[outcome] && bad ? bad : "", (counts[outcome] ?? 0).toLocaleString())];
    }),
  );
}

// The connection

function showConnection(state, text) {
  byId("connection").dataset.state = state;
  byId("connection-text").textContent = text;
  byId("lost").hidden = state !== "lost";
}

function connect() {
  const events = new EventSource("/_events");
  events.addEventListener("state", ({ data }) => {
    const state = JSON.parse(data);
    waiting.length = 0;
    ({ guild_id: guild, threads } = state);
    for (const { name, messages, notifications, deleted, webhooks } of state.channels) {
      for (const message of messages) message.push = notifications[message.id];
      Object.assign(channelOf(name), { messages, deleted, webhooks });
    }
    latestCounts = state.counts;
    showCounts(latestCounts);
    showConnection("live", "Live");
    const wanted = decodeURIComponent(location.hash.slice(1));
    const name = [current, wanted, channels.keys().next().value].find((each) => channels.has(each));
    if (name === undefined) return showWelcome(byId("welcome"), null, null);
    open(name);
    if (location.hash.startsWith("#/")) follow();
  });
  events.addEventListener("changes", ({ data }) => {
    const changes = JSON.parse(data);
    waiting.push(...changes.entries);
    ({ threads, counts: latestCounts } = changes);
    taking ??= setTimeout(takeWaiting, MILLISECONDS_BETWEEN_CHANGES);
  });
  events.addEventListener("error", () => {
    showConnection("lost", "Not connected; retrying");
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  });
}

function step(by) {
  const names = [...channels.keys()];
  const next = names[(names.indexOf(current) + by + names.length) % names.length];
  if (next !== undefined) location.hash = encodeURIComponent(next);
}

function showChannels(isOpen) {
  app.classList.toggle("channels-open", isOpen);
  byId("menu").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) document.querySelector(".channel[aria-current]")?.focus();
}

addEventListener("hashchange", follow);
list.addEventListener("click", (event) => {
  const link = event.target.closest("a.jump");
  if (link && link.hash === location.hash) follow(); // the address does not change
  const message = event.target.closest("button.delete")?.closest(".message");
  if (message) moderate({ action: "delete-message", message_id: message.dataset.id });
});
addEventListener("keydown", (event) => {
  if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    step(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Escape") {
    if (app.classList.contains("channels-open")) showChannels(false);
    else toTheEnd();
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden || current === null) return;
  const channel = channelOf(current);
  if (channel.unread) Object.assign(channel, { unread: 0, pings: 0, firstUnread: null });
  markUnread(channel);
  showTitle();
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  scroller.focus();
});
byId("menu").addEventListener("click", () => showChannels(!app.classList.contains("channels-open")));
byId("veil").addEventListener("click", () => showChannels(false));
present.addEventListener("click", toTheEnd);
scroller.addEventListener("scroll", () => isAtTheEnd() && missed && toTheEnd(), { passive: true });
setInterval(refreshRelative, 1000);
connect();
