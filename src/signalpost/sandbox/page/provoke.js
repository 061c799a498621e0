// The "Make it fail" menu: plans faults for the webhooks of the open channel.
import { element } from "/element.js";

const CHOICES = [
  ["Unavailable, three times", "503", { status: 503, times: 3 }],
  ["Rate limited for 5 s", "429", { status: 429, retry_after: 5 }],
  ["No answer for 60 s", "hang", { before: 60, cut: "before" }],
  ["Cut off, message lost", "reset", { cut: "before" }],
  ["Cut off, message shown", "reset", { cut: "after" }],
  ["An error, message shown", "502", { status: 502, recorded: true }],
  ["Webhook unknown", "404", { status: 404 }],
];

/** Connect the menu; `webhooks` returns the open channel's webhooks. */
export function connectProvoke(webhooks) {
  const [menu, planned] = [document.getElementById("provoke"), document.getElementById("planned")];

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
  const plan = async (fault) => {
    const faults = webhooks().map((webhook) => ({ webhook, method: "POST", ...fault }));
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("/_faults", { method: "POST", headers, body: JSON.stringify(faults) });
    show(await answer.json());
    menu.open = false;
  };
  const button = ([text, code, fault]) => {
    const made = element("button", "choice", element("span", "", text), element("span", "code", code));
    made.type = "button";
    made.addEventListener("click", () => plan(fault));
    return made;
  };

  document.getElementById("choices").append(...CHOICES.map(button));
  document.getElementById("clear").addEventListener("click", async () => {
    await fetch("/_faults", { method: "DELETE" });
    menu.open = false;
    await refresh();
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
      event.stopPropagation();
    }
  });
  refresh();
  return { refresh };
}
