"use strict";
/* Keys of the list of runs. Never while something is typed, and never with a modifier. */

const LIST_KEYS = [
  ["↑ ↓, k j", "the run above, the run below"],
  ["Enter", "open the run"],
  ["x", "tick it, or not"],
  ["c", "compare those that are ticked"],
  ["/", "find by a text"],
  ["Esc", "leave the text"],
  ["?", "this list"],
];

const LIST_ACTIONS = {
  j: () => moveTo(1),
  ArrowDown: () => moveTo(1),
  k: () => moveTo(-1),
  ArrowUp: () => moveTo(-1),
  Enter: () => currentRow().querySelector("a").click(),
  x: () => currentRow()?.querySelector("input").click(),
  c: () => compareTicked(),
  "/": () => find("#text").focus(),
  "?": () => showListKeys(),
};

const currentRow = () => (document.activeElement.closest ? document.activeElement.closest("#runs tbody tr") : null);

/** Go to the next run in a direction; without one, to the first. */
function moveTo(direction) {
  const all = [...find("#runs tbody").children];
  const at = all.indexOf(currentRow());
  const next = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + direction))];
  if (next) next.querySelector("a").focus();
}

function showListKeys() {
  const dialog = find("#keys");
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

function pressedInList(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (key === "Escape" && target.id === "text") { target.blur(); return; }
  if (find("#keys").open && key !== "?") return;
  if (/^(SELECT|TEXTAREA)$/.test(target.tagName) || (target.tagName === "INPUT" && target.type !== "checkbox")) return;
  if (key === "Enter" && !(target.type === "checkbox" && currentRow())) return; // links and buttons know what to do
  if (!LIST_ACTIONS[key]) return;
  LIST_ACTIONS[key]();
  event.preventDefault();
}

function listenToListKeys() {
  put(find("#keys-list"), ...LIST_KEYS.map(([keys, words]) => h("div", {}, h("dt", {}, keys), h("dd", {}, words))));
  find("#keys-open").addEventListener("click", showListKeys);
  find("#keys-close").addEventListener("click", showListKeys);
  addEventListener("keydown", pressedInList);
}
