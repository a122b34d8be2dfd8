"use strict";
/* Which runs are listed, and in which order. Both stand in the address, so that Back and a reload keep them. */

const CHOICES = ["environment", "method", "model", "state"];
const chosen = { text: "", sort: "experiment", down: false, environment: "", method: "", model: "", state: "" };

/** Read the address. */
function readAddress() {
  const fields = new URLSearchParams(location.hash.slice(1));
  for (const name of ["text", ...CHOICES]) chosen[name] = fields.get(name) || "";
  chosen.sort = COLUMNS.some((each) => each.name === fields.get("sort")) ? fields.get("sort") : "experiment";
  chosen.down = fields.get("down") === "1";
  find("#text").value = chosen.text;
}

/** Write it; what is as it is without an address is left out. */
function writeAddress() {
  const fields = new URLSearchParams();
  for (const name of ["text", ...CHOICES]) if (chosen[name]) fields.set(name, chosen[name]);
  if (chosen.sort !== "experiment") fields.set("sort", chosen.sort);
  if (chosen.down) fields.set("down", "1");
  const words = fields.toString();
  history.replaceState(null, "", words ? `#${words}` : location.pathname);
}

/** All that the search for a text looks at. */
const wordsOf = (row) => [row.experiment, row.run, row.environment, row.method, row.model, row.state, row.protocol, row.note, ...row.marks, row.stand_in ? "stand-in" : "", `seed ${row.seed}`].join(" ").toLowerCase();

/** Whether a run is listed: it has each chosen quality, and each word of the text. */
function isListed(row) {
  if (CHOICES.some((name) => chosen[name] && row[name] !== chosen[name])) return false;
  const words = chosen.text.toLowerCase().split(/\s+/).filter(Boolean);
  return !words.length || words.every((word) => wordsOf(row).includes(word));
}

/** Let each menu offer what there is, with how many runs have it. */
function drawChoices(rows) {
  for (const name of CHOICES) {
    const counts = new Map();
    for (const row of rows) counts.set(row[name], (counts.get(row[name]) || 0) + 1);
    if (chosen[name] && !counts.has(chosen[name])) counts.set(chosen[name], 0);
    const names = [...counts.keys()].sort((one, other) => one.localeCompare(other));
    const words = names.map((each) => `${each} (${count(counts.get(each))})`);
    const menu = find(`#${name}`);
    if (menu.dataset.words === words.join("\n") && menu.value === chosen[name]) continue;
    menu.dataset.words = words.join("\n");
    put(menu, h("option", { value: "" }, `every ${name}`), ...names.map((each, at) => option(each, words[at])));
    menu.value = chosen[name];
  }
}

/** An item of a menu; its value is the true text, of which `h` would show control characters. */
function option(value, words) {
  const made = h("option", {}, words);
  made.value = value;
  return made;
}

/** Order runs by a column; what is not known comes last, in both directions. */
function inOrder(rows) {
  const { of } = COLUMNS.find((each) => each.name === chosen.sort);
  const sign = chosen.down ? -1 : 1;
  return rows.map((row) => [of(row), row]).sort(([one, first], [other, second]) => compared(one, other, sign) || byName(first, second)).map(([, row]) => row);
}

function compared(one, other, sign) {
  if (one == null || other == null) return (one == null) - (other == null);
  return sign * (typeof one === "number" ? one - other : one.localeCompare(other, "en", { numeric: true }));
}

const ORDER = new Intl.Collator("en", { numeric: true });
const byName = (one, other) => ORDER.compare(one.experiment, other.experiment) || ORDER.compare(one.run, other.run);

function listenToFilters(changed) {
  find("#text").addEventListener("input", (event) => { chosen.text = event.target.value; changed(); });
  for (const name of CHOICES) find(`#${name}`).addEventListener("change", (event) => { chosen[name] = event.target.value; changed(); });
  find("#all").addEventListener("click", () => {
    for (const name of ["text", ...CHOICES]) chosen[name] = "";
    find("#text").value = "";
    changed();
  });
  find("#filters").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("popstate", () => { readAddress(); changed(); });
}
