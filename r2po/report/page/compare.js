"use strict";
/* Several runs: their curves side by side, how they came out, and in which settings they differ. */

let overview = null;

async function openOverview() {
  overview = await readBlock("overview");
  drawOverview();
}

/** The colour of an experiment; from the thirteenth on, lines are dashed as well. */
const experimentColour = (place) => choiceColour(place);
const experimentDashes = (place) => [null, "6,3", "2,3"][Math.floor(place / CHOICES) % 3];

function drawOverview() {
  find("#overview").hidden = false;
  if (overview.badges) put(find("#marks"), ...overview.badges.map((badge) => h("span", { class: "badge" }, badge)));
  if (overview.left_out) put(find("#left-out"), ...overview.left_out.map((line) => h("li", {}, line)));
  put(find("#panels"), ...overview.environments.map(panel));
  drawOutcomes();
  drawDifferences();
}

/** A range around numbers that are all the same, which have none of their own; else undefined, and Plot finds one. */
function ifEqual(values) {
  const [low, high] = d3.extent(values.filter(isNumber));
  return low !== undefined && low === high ? around(low) : undefined;
}

/** One environment: each run as a thin line, each experiment as its median between its quartiles. */
function panel(environment) {
  const members = overview.experiments.map((each, place) => ({ ...each, place })).filter((each) => each.environment === environment.name);
  const width = widthOf(find("#panels"));
  const wide = overview.environments.length > 1 && width > 900 ? width / 2 - 10 : width;
  const marks = members.flatMap((each) => {
    const stroke = experimentColour(each.place);
    const all = each.runs.flatMap((one) => overview.runs[one].rewards.map((reward, at) => ({ one, x: overview.runs[one].numbers[at], reward })));
    const middle = each.curve.x.map((x, at) => ({ x, low: each.curve.low[at], middle: each.curve.middle[at], high: each.curve.high[at] }));
    return [Plot.areaY(middle, { x: "x", y1: "low", y2: "high", fill: stroke, fillOpacity: 0.14 }), Plot.line(all, { x: "x", y: "reward", z: "one", stroke, strokeWidth: 1, strokeOpacity: 0.28 }), Plot.line(middle, { x: "x", y: "middle", stroke, strokeWidth: 2.2, strokeDasharray: experimentDashes(each.place) })];
  });
  const numbers = d3.extent(members.flatMap((each) => each.runs.flatMap((one) => overview.runs[one].numbers)));
  const rewards = members.flatMap((each) => each.runs.flatMap((one) => overview.runs[one].rewards));
  const plot = Plot.plot({
    width: wide, height: 290, marginLeft: LEFT, marginBottom: 36, style: { background: "transparent", fontSize: "12.5px" },
    x: { label: "iteration", labelAnchor: "right", ticks: numbers[0] == null ? [] : wholeTicks(numbers, wide < 600 ? 5 : 10), tickFormat: String }, y: { grid: true, label: "mean return of the kept policy", domain: ifEqual([environment.target, ...rewards]) },
    marks: [isNumber(environment.target) ? Plot.ruleY([environment.target], { stroke: "currentColor", strokeOpacity: 0.45, strokeDasharray: "5,4" }) : null, ...marks],
  });
  named(plot, `${environment.label}: ${members.map((each) => `${each.label}, ${plural(each.runs.length, "run")}`).join("; ")}.`);
  const legend = members.map((each) => {
    const swatch = h("i", { class: "swatch" });
    swatch.style.background = experimentColour(each.place);
    return h("span", {}, swatch, `${each.label} (${plural(each.runs.length, "run")})`);
  });
  return h("figure", {}, h("h3", {}, environment.label), h("div", { class: "legend" }, ...legend), plot, outcomesFigure(members, wide));
}

const LETTER = 7.2;
/** Room for names beside a chart: what the longest takes, but for charts that would become too narrow. */
const roomFor = (names, width) => Math.min(24 + LETTER * d3.max(names, (each) => each.length), width * 0.35, 300);

/** A name as far as there is room: its beginning and its end, in which names of experiments differ most. */
function shortened(name, room) {
  const letters = [...name];
  const half = Math.floor((room / LETTER - 3) / 2);
  return letters.length <= 2 * half + 1 ? name : `${letters.slice(0, half).join("")}…${letters.slice(-half).join("")}`;
}

const OUTCOMES = [["best", "best", "circle"], ["heldout", "best policy, fresh episodes", "diamond"], ["last", "last iteration", "triangle"]];

/** How the runs of an environment came out: a mark for each run and outcome. */
function outcomesFigure(members, width) {
  const marks = members.flatMap((each) => each.runs.flatMap((one) => OUTCOMES.map(([name, words, symbol]) => ({ experiment: visible(each.label), place: each.place, words, symbol, run: overview.runs[one].name, value: overview.runs[one][name] }))));
  const known = marks.filter((each) => isNumber(each.value));
  const hollow = (each) => each.symbol !== "diamond";
  const dots = OUTCOMES.map(([, words, symbol], row) => Plot.dot(known.filter((each) => each.words === words), {
    x: "value", y: "experiment", dy: 11 * (row - 1), symbol, r: 4, strokeWidth: 1.6,
    stroke: (each) => experimentColour(each.place), fill: (each) => (hollow(each) ? colour("--card") : experimentColour(each.place)),
  }));
  const tip = tipOf({ x: "value", y: "experiment", title: (each) => `${each.run}\n${each.words}: ${number(each.value)}` });
  const names = members.map((each) => visible(each.label));
  const room = roomFor(names, width);
  const plot = Plot.plot({
    width, height: 44 + 46 * members.length, marginLeft: room, marginBottom: 34, style: { background: "transparent", fontSize: "12.5px" },
    x: { grid: true, label: "mean return", nice: true, domain: ifEqual(known.map((each) => each.value)) }, y: { label: null, domain: names, tickFormat: (name) => shortened(name, room) },
    marks: [...dots, Plot.tip(known, Plot.pointer(tip))],
  });
  named(plot, `How ${plural(d3.sum(members, (each) => each.runs.length), "run")} came out: best, fresh episodes and last iteration of each; the table has the numbers.`);
  const legend = OUTCOMES.map(([, words, symbol]) => h("span", {}, h("i", { class: `mark ${symbol}` }), words));
  return h("div", {}, h("div", { class: "legend" }, ...legend), plot);
}

/** The name of an experiment, with its environment where there are several. */
function experimentName(each) {
  return overview.environments.length > 1 ? `${each.label} on ${each.environment}` : each.label;
}

function openButton(place) {
  const each = overview.runs[place];
  const button = h("button", { type: "button", class: "link" }, each.name);
  button.addEventListener("click", async () => {
    if (each.file) { location.href = each.file; return; }
    try { await openRun(each.id, null, true); } catch (error) { fail(error); }
    find("#run").scrollIntoView({ block: "start" });
  });
  return button;
}

function drawOutcomes() {
  const names = ["run", "experiment", "iterations", "best", "fresh episodes", "last", "episodes", "replies", "money", "state"];
  const rows = overview.runs.map((each, place) => {
    const numbers = [each.best, each.heldout, each.last].map(number);
    const state = [each.complete ? "" : "not complete", each.stand_in ? "stand-in" : "", each.replay ? "replay" : ""].filter(Boolean).join(", ");
    const cells = [experimentName(overview.experiments[each.experiment]), count(each.iterations), ...numbers, count(each.episodes), count(each.calls), number(each.cost), state];
    return h("tr", {}, h("th", { scope: "row" }, openButton(place)), cells.map((text) => h("td", {}, text)));
  });
  put(find("#outcomes"), h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows));
}

function drawDifferences() {
  const box = find("#differences");
  const { names, values } = overview.differences;
  find("#differences-none").hidden = names.length > 0;
  if (!names.length) { put(box); return; }
  const head = h("tr", {}, h("th", { scope: "col" }, "setting"), overview.experiments.map((each) => h("th", { scope: "col" }, experimentName(each))));
  const rows = names.map((name, row) => h("tr", {}, h("th", { scope: "row" }, name), values[row].map((value) => h("td", {}, value))));
  put(box, h("thead", {}, head), h("tbody", {}, rows));
}
