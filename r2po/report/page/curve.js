"use strict";
/* The learning curve: every candidate, what was kept, the best so far, and the chosen iteration. */

const LEFT = 52;
const RIGHT = 16;

const span = () => {
  const all = run.core.iterations;
  return all.length ? [all[0].n - 0.5, all[all.length - 1].n + 0.5] : [0.5, 1.5];
};

/** Marks of an axis of iterations: whole numbers only. */
const wholeTicks = ([from, to], many) => d3.ticks(from, to, many).filter(Number.isInteger);

/** Where an iteration lies along the x axis that curve and heat map share. */
function xOf(n, width) {
  const [from, to] = span();
  return LEFT + ((n - from) / (to - from)) * (width - LEFT - RIGHT);
}

/** The place of the iteration under a point. */
function placeAt(x, width) {
  const [from, to] = span();
  const n = from + ((x - LEFT) / (width - LEFT - RIGHT)) * (to - from);
  const numbers = run.core.iterations.map((each) => each.n);
  return Math.max(0, Math.min(numbers.length - 1, d3.bisectCenter(numbers, n)));
}

/** Let a click or a drag choose an iteration. */
function choosesByPoint(element) {
  const at = (event) => {
    const box = element.getBoundingClientRect();
    return placeAt(event.clientX - box.left, box.width);
  };
  element.style.cursor = "crosshair";
  element.addEventListener("click", (event) => choose(at(event), true));
  element.addEventListener("pointermove", (event) => { if (event.buttons === 1) choose(at(event)); });
}

function curveTip(candidate) {
  const lines = [`iteration ${candidate.i}, ${candidate.stage}${candidate.kept ? ", kept" : ""}`, `mean return ${number(candidate.reward)}`];
  const returns = (candidate.returns || []).filter(isNumber);
  if (returns.length > 1) lines.push(`${returns.length} rollouts: ${number(d3.min(returns))} to ${number(d3.max(returns))}`);
  return lines.join("\n");
}

function pairs() {
  return run.tried.map((tried) => {
    const rewards = tried.map((each) => each.reward).filter(isNumber);
    return { n: tried.length ? tried[0].i : null, low: d3.min(rewards), high: d3.max(rewards), many: rewards.length > 1 };
  }).filter((each) => each.many);
}

/** The returns that the picture shows: without those far below nearly all others, which would flatten the rest. */
function rewardRange() {
  const all = run.core.candidates.map((each) => each.reward).filter(isNumber).sort(d3.ascending);
  if (!all.length) return [0, 1];
  const kept = run.core.iterations.map((each) => each.reward).filter(isNumber);
  const others = [run.core.target, run.core.heldout && run.core.heldout.reward].filter(isNumber);
  const [low, high] = [d3.quantile(all, 0.05), d3.quantile(all, 0.95)];
  const limit = low - 1.5 * (high - low || 1);
  const bottom = Math.min(d3.min(all.filter((each) => each >= limit)), ...others, d3.quantile(kept.sort(d3.ascending), 0.1) ?? Infinity);
  const top = Math.max(all[all.length - 1], ...others);
  return top > bottom ? [bottom, top] : around(top);
}

/** A range around a value, for the axis of what is everywhere the same. */
const around = (value) => [value - (Math.abs(value) || 1) / 2, value + (Math.abs(value) || 1) / 2];

const drawnCandidates = () => run.core.candidates.filter((each) => isNumber(each.reward) && each.at !== undefined);

function curveMarks(small, range) {
  const core = run.core;
  const all = drawnCandidates();
  const candidates = all.filter((each) => each.reward >= range[0]);
  const below = all.filter((each) => each.reward < range[0]);
  const kept = core.iterations.filter((each) => isNumber(each.reward) && each.reward >= range[0]);
  const best = core.iterations.filter((each) => isNumber(each.best) && each.best >= range[0]);
  const last = core.iterations[core.iterations.length - 1];
  const hollow = (each) => stageVariable(each.stage) === "--proposal";
  const tip = tipOf({ x: "i", y: "reward", title: curveTip });
  return [
    isNumber(core.target) ? Plot.ruleY([core.target], { stroke: "currentColor", strokeOpacity: 0.45, strokeDasharray: "5,4" }) : null,
    Plot.link(pairs().map((each) => ({ ...each, low: Math.max(each.low, range[0]), high: Math.max(each.high, range[0]) })), { x1: "n", x2: "n", y1: "low", y2: "high", stroke: "currentColor", strokeOpacity: 0.16 }),
    Plot.line(kept, { x: "n", y: "reward", stroke: colour("--kept"), strokeWidth: 1, strokeOpacity: 0.5 }),
    Plot.line(best, { x: "n", y: "best", curve: "step-after", stroke: colour("--best"), strokeWidth: 2.2 }),
    Plot.dot(candidates, { x: "i", y: "reward", r: small ? 2 : 2.8, fill: (each) => (hollow(each) ? colour("--card") : stageColour(each.stage)), stroke: (each) => stageColour(each.stage), strokeWidth: 1.3 }),
    core.heldout && isNumber(core.heldout.reward) && last ? Plot.dot([core.heldout], { x: () => last.n, y: "reward", symbol: "diamond", r: 7, fill: colour("--best"), stroke: colour("--card"), strokeWidth: 1.5 }) : null,
    Plot.dot(below, { x: "i", y: () => range[0], symbol: "triangle", rotate: 180, r: small ? 2.5 : 3.5, fill: (each) => stageColour(each.stage) }),
    Plot.tip(candidates, Plot.pointer(tip)),
    Plot.tip(below, Plot.pointer({ ...tip, y: () => range[0] })),
  ];
}

function drawCurve() {
  const figure = find("#curve");
  const width = widthOf(figure);
  const small = width < 600;
  const range = rewardRange();
  const plot = Plot.plot({
    width, height: small ? 240 : 310, marginLeft: LEFT, marginRight: RIGHT, marginBottom: 36, marginTop: 22,
    style: { background: "transparent", fontSize: "12.5px" },
    x: { domain: span(), label: "iteration", labelAnchor: "right", ticks: wholeTicks(span(), small ? 5 : 10), tickFormat: String },
    y: { grid: true, label: "mean return", nice: true, domain: range },
    marks: curveMarks(small, range),
  });
  const best = run.core.best;
  named(plot, `Mean return of ${plural(run.core.candidates.length, "candidate")} over ${plural(run.core.iterations.length, "iteration")}${best == null ? "" : `; the best, ${number(run.core.iterations[bestPlace()].best)}, is of iteration ${best}`}.`);
  choosesByPoint(plot);
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ id: "cursor", y1: 22, y2: (small ? 240 : 310) - 36, stroke: colour("--chosen"), "stroke-width": 2, "pointer-events": "none" })) cursor.setAttribute(name, value);
  plot.append(cursor);
  put(figure, plot);
  drawCurveLegend(range);
  moveCursor();
}

function moveCursor() {
  const cursor = find("#cursor");
  if (!cursor || !iteration()) return;
  const x = xOf(iteration().n, widthOf(find("#curve")));
  cursor.setAttribute("x1", x);
  cursor.setAttribute("x2", x);
}

function drawCurveLegend(range) {
  const core = run.core;
  const stages = core.stages.length ? core.stages : ["candidate"];
  const dots = stages.map((stage) => [stageVariable(stage) === "--proposal" ? "dot hollow" : "dot full", stage.replaceAll("_", " ")]);
  const failed = core.candidates.filter((each) => each.failure).length;
  const rest = [["rule kept", "kept"], ["rule best", "best so far"]];
  if (core.heldout && isNumber(core.heldout.reward)) rest.push(["diamond", "best policy, fresh episodes"]);
  if (isNumber(core.target)) rest.push(["rule target", `target ${number(core.target)}`]);
  const below = drawnCandidates().filter((each) => each.reward < range[0]).length;
  if (below) rest.push(["below", `${plural(below, "candidate")} below this picture`]);
  put(
    find("#curve-legend"),
    ...[...dots, ...rest].map(([mark, text]) => h("span", {}, h("i", { class: mark }), text)),
    failed ? h("span", {}, `${plural(failed, "candidate")} failed: not drawn`) : "",
  );
}

view(drawCurve, moveCursor);
