// The "Make it fail" menu: plans faults for the webhooks of the open channel, and acts as a moderator.
import { element } from "/element.js";
import { showModerator } from "/moderate.js";

const UNAVAILABLE = ["Unavailable, three times", "503", { status: 503, times: 3 }];
const LIMITED = ["Rate limited for 5 s", "429", { status: 429, retry_after: 5 }];
const SILENT = ["No answer for 60 s", "hang", { before: 60, cut: "before" }];
const WEBHOOK_UNKNOWN = ["Webhook unknown", "404", { status: 404 }];
const MESSAGE_UNKNOWN = ["Message unknown", "10008", { code: 10008 }];
const CHOICES = {
  POST: [
    UNAVAILABLE,
    LIMITED,
    SILENT,
    ["Cut off, message lost", "reset", { cut: "before" }],
    ["Cut off, message shown", "reset", { cut: "after" }],
    ["An error, message shown", "502", { status: 502, recorded: true }],
    WEBHOOK_UNKNOWN,
  ],
  PATCH: [
    ["Too many old edits: wait 60 s", "30046", { code: 30046, retry_after: 60 }],
    MESSAGE_UNKNOWN,
    ["Thread archived", "50083", { code: 50083 }],
    UNAVAILABLE,
    LIMITED,
    SILENT,
    ["Cut off, not edited", "reset", { cut: "before" }],
    ["Cut off, edited", "reset", { cut: "after" }],
    ["An error, edited", "502", { status: 502, recorded: true }],
    WEBHOOK_UNKNOWN,
  ],
  DELETE: [
    MESSAGE_UNKNOWN,
    UNAVAILABLE,
    LIMITED,
    SILENT,
    ["Cut off, not deleted", "reset", { cut: "before" }],
    ["Cut off, deleted", "reset", { cut: "after" }],
    ["An error, deleted", "502", { status: 502, recorded: true }],
    WEBHOOK_UNKNOWN,
  ],
};

/** Connect the menu; `channel` returns the open channel, `threads` all threads. */
export function connectProvoke(channel, threads) {
  const [menu, planned, method] = ["provoke", "planned", "method"].map((id) => document.getElementById(id));

  const show = (faults) => {
    const count = faults.reduce((sum, fault) => sum + fault.times, 0);
    planned.hidden = count === 0;
    planned.textContent = `${count}`;
    planned.title = `${count} request${count === 1 ? "" : "s"} will fail`;
  };
  const refresh = async () => {
    const answer = await fetch("/_faults");
    show(await answer.json());
  };
  const close = () => {
    menu.open = false;
  };
  const plan = async (fault) => {
    const webhooks = channel()?.webhooks ?? [];
    const faults = webhooks.map((webhook) => ({ webhook, method: method.value, ...fault }));
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("/_faults", { method: "POST", headers, body: JSON.stringify(faults) });
    show(await answer.json());
    close();
  };
  const button = ([text, code, fault]) => {
    const made = element("button", "choice", element("span", "", text), element("span", "code", code));
    made.type = "button";
    made.addEventListener("click", () => plan(fault));
    return made;
  };
  const showChoices = () => document.getElementById("choices").replaceChildren(...CHOICES[method.value].map(button));
  const showActions = () => channel() && showModerator(document.getElementById("moderator"), channel(), threads(), close);

  showChoices();
  method.addEventListener("change", showChoices);
  menu.addEventListener("toggle", () => menu.open && showActions());
  document.getElementById("clear").addEventListener("click", async () => {
    await fetch("/_faults", { method: "DELETE" });
    close();
    await refresh();
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) close();
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
      menu.querySelector("summary").focus();
      event.stopPropagation();
    }
  });
  refresh();
  return { refresh };
}
