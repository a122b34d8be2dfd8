"use strict";
/* Keys. Never while something is typed, and never with a modifier. */

const KEYS = [
  ["← →, k j", "iteration before, next one", ["ArrowLeft", "k", "ArrowRight", "j"]],
  ["Home End", "first and last iteration", ["Home", "End"]],
  ["b", "the best iteration", ["b"]],
  ["n N", "next new best, the one before", ["n", "N"]],
  ["m", "play or pause", ["m"]],
  ["1 to 7", "go to a card", ["1", "2", "3", "4", "5", "6", "7"]],
  ["/", "find in prompts and replies", ["/"]],
  ["?", "this list", ["?"]],
];

const ACTIONS = {
  ArrowLeft: () => choose(run.at - 1),
  k: () => choose(run.at - 1),
  ArrowRight: () => choose(run.at + 1),
  j: () => choose(run.at + 1),
  Home: () => choose(0, true),
  End: () => choose(run.core.iterations.length - 1, true),
  b: () => choose(bestPlace(), true),
  n: () => choose(newBest(1), true),
  N: () => choose(newBest(-1), true),
  m: () => { if (!find("#motion-controls").hidden) play(!player.playing); },
  "/": () => { if (!find("#find").hidden) find("#sought").focus(); },
  "?": () => showKeys(),
};

function showKeys() {
  const dialog = find("#keys");
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

/** Go to a card by its number, and give it the focus, so that Tab goes on from there. */
function goTo(place) {
  const card = document.querySelectorAll("#run section.card")[place - 1];
  if (!card) return;
  const fold = card.querySelector(":scope > details");
  if (fold) fold.open = true;
  card.scrollIntoView({ block: "start" });
  card.focus({ preventScroll: true });
}

const OWN_ARROWS = /^(Arrow|Home|End)/;

function pressed(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || !run.core) return;
  if (find("#keys").open && event.key !== "?") return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.type !== "range") return;
  if (OWN_ARROWS.test(event.key) && (target.type === "range" || target.matches(".scroll, .whole"))) return;
  if (/^[1-7]$/.test(event.key)) goTo(Number(event.key));
  else if (ACTIONS[event.key]) ACTIONS[event.key]();
  else return;
  event.preventDefault();
}

function listenToKeys() {
  put(find("#keys-list"), ...KEYS.map(([keys, words]) => h("div", {}, h("dt", {}, keys), h("dd", {}, words))));
  find("#keys-close").addEventListener("click", showKeys);
  find("#keys-open").addEventListener("click", showKeys);
  addEventListener("keydown", pressed);
}
