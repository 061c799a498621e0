// The beginning of a channel, with an example of how to send to it.
import { element } from "/element.js";

/** Fill `place` for the channel `name`; null if there is no channel yet. */
export function showWelcome(place, name, webhook) {
  const big = element("div", "big", "#");
  big.setAttribute("aria-hidden", "true");
  if (name === null) {
    const heading = element("h2", "", "No channel yet");
    place.replaceChildren(big, heading, element("p", "", "The first message makes one. Try:"), example("signals-free"));
    return;
  }
  const text = `This is the start of the #${name} channel. To send to it:`;
  place.replaceChildren(big, element("h2", "", `Welcome to #${name}!`), element("p", "", text), example(webhook ?? name));
}

function example(webhook) {
  const address = `${location.origin}/api/v10/webhooks/${webhook}/any-token`;
  return element("pre", "", `curl -H 'Content-Type: application/json' -d '{"content": "Hello"}' \\\n  ${address}`);
}
