"use strict";
/* The table of runs. A row is made once, and anew when its run has changed; sorting and filtering only move rows. */

const rows = new Map();
const elements = new Map();
const ticked = new Set();
const STATES = { running: "running", done: "done", stopped: "stopped", damaged: "damaged", unread: "is being read" };

const COLUMNS = [
  { name: "experiment", words: "run", of: (row) => `${row.experiment}/${row.run}` },
  { name: "environment", words: "environment", of: (row) => row.environment },
  { name: "method", words: "method", of: (row) => row.method },
  { name: "model", words: "model", of: (row) => row.model },
  { name: "state", words: "state", of: (row) => row.state },
  { name: "iterations", words: "iterations", of: (row) => row.iterations, number: true },
  { name: "best", words: "best so far", of: (row) => row.best, number: true },
  { name: "heldout", words: "fresh episodes", of: (row) => row.heldout, number: true },
  { name: "cost", words: "money", of: (row) => row.cost, number: true },
];

const LONGEST_NAME = 70;
const LONGEST_NOTE = 200;
const FIRST_NUMBER = COLUMNS.findIndex((each) => each.number);

/** Take in rows that are new or changed, and forget those that are gone. */
function takeRows(changes) {
  if (changes.whole) {
    const there = new Set(changes.runs.map((each) => each.id));
    for (const id of rows.keys()) if (!there.has(id)) forget(id);
  }
  for (const id of changes.gone) forget(id);
  for (const row of changes.runs) {
    rows.set(row.id, row);
    elements.delete(row.id);
  }
}

function forget(id) {
  for (const each of [rows, elements, ticked]) each.delete(id);
}

function elementOf(row) {
  if (!elements.has(row.id)) elements.set(row.id, rowElement(row));
  return elements.get(row.id);
}

function rowElement(row) {
  const tick = h("input", { type: "checkbox", "aria-label": `compare ${row.experiment}/${row.run}` });
  tick.checked = ticked.has(row.id);
  tick.addEventListener("change", () => tickRun(row.id, tick.checked));
  const name = h("a", { href: `/run/${row.id}` }, h("span", { class: "folder" }, `${brief(row.experiment, LONGEST_NOTE)}/`), row.run);
  const seed = row.seed == null ? "" : `seed ${row.seed}`;
  const cells = [
    [h("span", { class: "bar-cell" }, ...progress(row.iterations, row.planned))],
    [spark(row.curve), h("span", {}, number(row.best))],
    [number(row.heldout)],
    [money(row.cost)],
  ];
  return h("tr", { "data-id": row.id, class: row.state },
    h("td", { class: "tick" }, tick),
    h("th", { scope: "row", title: [seed, row.protocol && `protocol ${row.protocol}`].filter(Boolean).join(", ") || null }, name),
    ...[row.environment, row.method].map((text) => h("td", {}, brief(text))),
    h("td", {}, brief(row.model), ...marks(row)),
    h("td", {}, h("span", { class: `state ${row.state}` }, STATES[row.state]), row.note ? h("span", { class: "note" }, brief(row.note, LONGEST_NOTE)) : null),
    ...cells.map((cell, at) => h("td", { class: "number", "data-words": COLUMNS[at + FIRST_NUMBER].words }, ...cell)));
}

/** A text of a log as far as a row has room; the page of the run has all of it. */
function brief(text, longest = LONGEST_NAME) {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

/** What readers must know of a run: that no language model answered, that it repeats another one, and the like. */
function marks(row) {
  const stand = row.stand_in ? [h("span", { class: "mark-word", title: "the embedded stand-in answered, no language model" }, "stand-in")] : [];
  return [...stand, ...row.marks.map((mark) => h("span", { class: "mark-word", title: mark }, brief(mark.split(":")[0])))];
}

/** Money with two digits after the point; of less, the first two digits. */
function money(value) {
  if (value == null) return UNKNOWN;
  return value && Math.abs(value) < 0.005 ? String(+value.toPrecision(2)) : value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

function tickRun(id, on) {
  if (on) ticked.add(id);
  else ticked.delete(id);
  drawTicks();
}

function drawTicks() {
  const button = find("#compare");
  button.disabled = ticked.size < 1;
  say(button, ticked.size > 1 ? `Compare ${count(ticked.size)} runs` : "Compare");
  find("#untick").hidden = ticked.size < 1;
  const listed = listedRows();
  const many = listed.filter((row) => ticked.has(row.id)).length;
  find("#tick-all").checked = many > 0 && many === listed.length;
  find("#tick-all").indeterminate = many > 0 && many < listed.length;
}

const listedRows = () => [...rows.values()].filter(isListed);

function drawHeadings() {
  const headings = COLUMNS.map((column) => {
    const here = chosen.sort === column.name;
    const arrow = here ? (chosen.down ? " ▾" : " ▴") : "";
    const button = h("button", { type: "button", class: "link", "data-column": column.name, on: { click: () => sortBy(column) } }, column.words, arrow);
    return h("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": here ? (chosen.down ? "descending" : "ascending") : null }, button);
  });
  const tick = h("input", { type: "checkbox", id: "tick-all", "aria-label": "compare all listed runs", on: { change: (event) => tickListed(event.target.checked) } });
  put(find("#headings"), h("th", { scope: "col", class: "tick" }, tick), ...headings);
}

/** Sort by a column; numbers begin with the largest. A second time turns the order. */
function sortBy(column) {
  const same = chosen.sort === column.name;
  chosen.down = same ? !chosen.down : Boolean(column.number);
  chosen.sort = column.name;
  drawList();
  find(`[data-column=${column.name}]`).focus();
}

function tickListed(on) {
  for (const row of listedRows()) {
    if (on) ticked.add(row.id);
    else ticked.delete(row.id);
    elementOf(row).querySelector("input").checked = on;
  }
  drawTicks();
}

function untick() {
  for (const id of ticked) if (elements.has(id)) elements.get(id).querySelector("input").checked = false;
  ticked.clear();
  drawTicks();
}

/** Put the rows in their places; who stood in one stays there. */
function placeRows(listed) {
  const body = find("#runs tbody");
  const wanted = listed.map(elementOf);
  const now = body.children;
  if (wanted.length === now.length && wanted.every((each, at) => each === now[at])) return;
  const active = document.activeElement;
  const id = body.contains(active) ? active.closest("tr").dataset.id : null;
  body.replaceChildren(...wanted);
  if (id && elements.has(id)) elements.get(id).querySelector(active.tagName)?.focus({ preventScroll: true });
}
