"use strict";
/* Tables: all iterations, what calls took, and the settings. Folded; filled when they are opened. */

let order = { column: 0, descending: true };

/** Columns of the table of iterations: a heading, and a value of an iteration by its place. */
function columnsOfIterations() {
  const stages = run.core.stages.length ? run.core.stages : [];
  const reward = (stage) => (at) => { const found = run.tried[at].find((each) => each.stage === stage); return found ? found.reward : null; };
  const changed = (at) => { const last = run.tried[at].find((each) => comparedWith(each)); return last ? edits(last, comparedWith(last)) : null; };
  return [
    ["iteration", (at) => run.core.iterations[at].n],
    ...stages.map((stage) => [stage.replaceAll("_", " "), reward(stage)]),
    ...(stages.length ? [] : [["candidates", (at) => run.tried[at].length]]),
    ["kept", (at) => run.core.iterations[at].reward],
    ["best", (at) => run.core.iterations[at].best],
    ...(run.core.revises ? [["edits", changed]] : []),
    ...(run.core.candidates.some((each) => each.success != null) ? [["success", (at) => run.core.iterations[at].success]] : []),
    ["episodes", (at) => run.core.iterations[at].episodes],
    ["model s", (at) => run.core.iterations[at].llm_s],
    ["rollout s", (at) => run.core.iterations[at].rollout_s],
  ];
}

function drawIterations() {
  const fold = find("#iterations-fold");
  if (!fold.open || !run.core) return;
  const columns = columnsOfIterations();
  const value = columns[Math.min(order.column, columns.length - 1)][1];
  const sorted = d3.range(run.core.iterations.length).sort((one, other) => (order.descending ? d3.descending : d3.ascending)(value(one) ?? -Infinity, value(other) ?? -Infinity));
  const headings = columns.map(([name], place) => {
    const button = h("button", { type: "button", class: "link", "data-column": place }, name, place === order.column ? (order.descending ? " ▾" : " ▴") : "");
    button.addEventListener("click", () => {
      order = { column: place, descending: place === order.column ? !order.descending : true };
      drawIterations();
      find(`#iterations [data-column="${place}"]`).focus();
    });
    return h("th", { scope: "col", "aria-sort": place === order.column ? (order.descending ? "descending" : "ascending") : null }, button);
  });
  const rows = sorted.map((at) => {
    const cells = columns.map(([, of], place) => (place ? h("td", {}, number(of(at))) : h("th", { scope: "row" }, h("button", { type: "button", class: "link", on: { click: () => choose(at, true) } }, String(of(at))))));
    return h("tr", { "data-at": at, class: run.core.iterations[at].is_best ? "best" : null, on: { click: () => choose(at, true) } }, cells);
  });
  put(find("#iterations"), h("thead", {}, h("tr", {}, headings)), h("tbody", {}, rows));
  markRow();
}

function markRow() {
  for (const row of document.querySelectorAll("#iterations [data-at]")) {
    if (Number(row.dataset.at) === run.at) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

function drawCalls() {
  const problem = run.core.calls_problem;
  find("#calls-fold").hidden = !run.core.spent.length && !problem;
  say(find("#calls-words"), problem);
  if (!run.core.spent.length) { put(find("#calls")); return; }
  const names = ["role", "questions", "replies", "not used", "failed attempts", "seconds", "median s", "prompt tokens", "of them cached", "reply tokens", "of them thoughts", "money"];
  const rows = run.core.spent.map((row) => {
    const { tokens } = row;
    const cells = [row.asked, row.replies, row.refused, row.failures].map(count);
    const times = [row.seconds, row.median_s].map(number);
    const used = [tokens.prompt_tokens, tokens.cached_tokens, tokens.completion_tokens, tokens.reasoning_tokens].map(count);
    return h("tr", {}, h("th", { scope: "row" }, row.role), [...cells, ...times, ...used, number(row.cost)].map((cell) => h("td", {}, cell)));
  });
  put(find("#calls"), h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows));
}

function drawSettings() {
  put(find("#settings"), ...[...run.core.settings, ...run.core.made_with].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

view(drawIterations, markRow);
view(() => { drawCalls(); drawSettings(); }, () => {});
