"use strict";
/* The parameters of one policy: as its own matrix, as a table of states, or as rows of numbers. */

const COLUMNS = 8;

function cell(candidate, other, at) {
  const value = candidate.params[at];
  const background = parameterColour(value);
  const edited = other && other.params[at] !== value;
  const moved = (candidate.moved || []).find((each) => each[0] === at);
  const made = h("td", { class: edited ? "edited" : null, title: `${parameterName(at)} = ${valueName(value)}` }, number(value));
  made.style.background = rgb(background);
  made.style.color = inkOn(background);
  if (edited) made.append(h("small", {}, `was ${number(other.params[at])}`));
  if (moved) made.append(h("small", {}, `told ${number(moved[1])}`));
  return made;
}

function matrixTable(candidate, other) {
  const { rows, columns } = run.core.layout;
  const body = rows.map((name, row) => h("tr", {}, h("th", { scope: "row" }, name), columns.map((_, column) => cell(candidate, other, row * columns.length + column))));
  return h("table", { class: "matrix" }, h("thead", {}, h("tr", {}, h("td", {}), columns.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, body));
}

function rowsTable(candidate, other, columns) {
  const rows = d3.range(0, candidate.params.length, columns).map((from) => {
    const row = d3.range(from, Math.min(from + columns, candidate.params.length));
    return h("tr", {}, h("th", { scope: "row" }, `${from} to ${row[row.length - 1]}`), row.map((at) => cell(candidate, other, at)));
  });
  return h("table", { class: run.core.layout.kind === "choices" ? "matrix narrow" : "matrix" }, h("tbody", {}, rows));
}

/** The parameters of a candidate with what was edited against another one; null if it has none. */
function parametersOf(candidate, other) {
  if (!candidate.params) return null;
  const layout = run.core.layout;
  const grid = run.core.maps;
  const table = layout.kind === "matrix" ? matrixTable(candidate, other) : rowsTable(candidate, other, grid ? grid.width : COLUMNS);
  const words = layout.words ? h("p", { class: "mute small" }, layout.words) : null;
  return h("div", {}, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Parameters of the ${candidate.stage}` }, table), words);
}
