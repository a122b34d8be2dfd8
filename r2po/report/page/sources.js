"use strict";
/* Policies that are programs: what changed against the one that it was made from, and the source. */

const SIDE_BY_SIDE = 620;

/** Rows of a difference: old and new line with their numbers; either may be missing. */
function differenceRows(diff, old, fresh) {
  const rows = [];
  for (const [kind, oldFrom, oldTo, newFrom, newTo] of diff) {
    const many = Math.max(oldTo - oldFrom, newTo - newFrom);
    for (let at = 0; at < many; at += 1) {
      rows.push({
        kind,
        old: oldFrom + at < oldTo ? [oldFrom + at + 1, old[oldFrom + at]] : null,
        fresh: newFrom + at < newTo ? [newFrom + at + 1, fresh[newFrom + at]] : null,
      });
    }
  }
  return rows;
}

const AROUND = 3;

/** Leave out long stretches of equal lines: keep a few around each change. */
function withoutEqual(rows) {
  const near = rows.map((row, at) => rows.slice(Math.max(0, at - AROUND), at + AROUND + 1).some((each) => each.kind !== "e"));
  const kept = [];
  let skipped = 0;
  rows.forEach((row, at) => {
    if (near[at]) {
      if (skipped) kept.push({ skipped });
      skipped = 0;
      kept.push(row);
    } else skipped += 1;
  });
  if (skipped) kept.push({ skipped });
  return kept;
}

function differenceTable(rows, wide) {
  const side = (part, mark) => [h("td", { class: "line" }, part ? String(part[0]) : ""), h("td", { class: part && mark ? mark : null }, part ? part[1] : "")];
  const body = rows.flatMap((row) => {
    if (row.skipped) return [h("tr", { class: "skipped" }, h("td", { colspan: wide ? 4 : 2 }, `… ${plural(row.skipped, "equal line")}`))];
    const changed = row.kind !== "e";
    if (wide) return [h("tr", {}, side(row.old, changed && "removed"), side(row.fresh, changed && "added"))];
    if (!changed) return [h("tr", {}, side(row.fresh, null))];
    return [row.old && h("tr", {}, side(row.old, "removed")), row.fresh && h("tr", {}, side(row.fresh, "added"))].filter(Boolean);
  });
  return h("table", { class: "difference" }, h("tbody", {}, body));
}

/** The program of a candidate; null if it has none. */
function sourceOf(candidate, width) {
  if (candidate.source == null) return null;
  const text = run.core.sources[candidate.source];
  const parent = candidate.parent == null ? null : run.core.candidates[candidate.parent];
  const box = h("div", { class: "program" });
  if (parent && candidate.diff) {
    const rows = withoutEqual(differenceRows(candidate.diff, run.core.sources[parent.source].split("\n"), text.split("\n")));
    const same = candidate.source === parent.source;
    const jump = h("button", { type: "button", class: "link", on: { click: () => chooseNumber(parent.i, true) } }, `iteration ${parent.i}, ${parent.stage}`);
    const how = candidate.revises ? "made from " : "nearest kept before: ";
    box.append(h("p", { class: "small" }, how, jump, ` (${scoreOf(parent)})`, same ? ": the same source" : ""));
    if (!same) box.append(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "What changed in the program" }, differenceTable(rows, width > SIDE_BY_SIDE)));
  }
  const pre = h("pre", {}, ...shown(text));
  box.append(h("details", { open: !parent }, h("summary", {}, "Source", h("span", { class: "mute" }, plural(text.split("\n").length, "line"))), copyButton(() => text), pre));
  return box;
}

const scoreOf = (candidate) => (candidate.failure ? "failed" : number(candidate.reward));

/** The line of policies from which the chosen one came, newest first. */
function lineageOf(candidate) {
  const line = [];
  for (let at = candidate; at && line.length < 12; at = at.parent == null ? null : run.core.candidates[at.parent]) line.push(at);
  if (line.length < 2) return null;
  const links = line.map((each) => h("button", { type: "button", class: "link", on: { click: () => chooseNumber(each.i, true) } }, `${each.i} ${each.stage} ${scoreOf(each)}`));
  return h("p", { class: "small lineage" }, "Lineage: ", ...links.flatMap((link, place) => (place ? [" ← ", link] : [link])));
}
