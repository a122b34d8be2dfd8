"use strict";
/* All policies as points of a plane, or by how far they are from the best one. */

let plane = "components";

/** The points that are drawn, with their places under the chosen view. */
function points() {
  const { space, candidates, warmup, best } = run.core;
  const known = space.of.map((place, at) => ({ candidate: candidates[place], place: space.candidates[at] }));
  const first = space.warmup.map((place, at) => ({ reward: warmup[at].reward, params: warmup[at].params, place }));
  if (plane === "components") return { known, first };
  const target = best == null ? null : keptOf(run.places.get(best));
  const distance = (params) => params.filter((value, at) => value !== target.params[at]).length;
  for (const each of known) each.place = [distance(each.candidate.params), each.candidate.reward];
  return { known, first: first.filter((each) => each.params).map((each) => ({ ...each, place: [distance(each.params), each.reward] })) };
}

/** The part of an axis that most candidates lie in, and always the chosen ones. */
function domain(known, axis) {
  const all = known.map((each) => each.place[axis]).filter(isNumber).sort(d3.ascending);
  const chosen = known.filter((each) => each.candidate.at === run.at).map((each) => each.place[axis]).filter(isNumber);
  const low = Math.min(d3.quantile(all, 0.02), ...chosen);
  const high = Math.max(d3.quantile(all, 0.98), ...chosen);
  const margin = (high - low || 1) * 0.08;
  return [low - margin, high + margin];
}

function spaceMarks(known, first, share) {
  const chosen = known.filter((each) => each.candidate.at === run.at);
  const x = (each) => each.place[0];
  const y = (each) => each.place[1];
  const trail = run.tried.slice(Math.max(0, run.at - 15), run.at + 1).map((tried) => known.find((each) => tried.includes(each.candidate) && each.candidate.kept)).filter(Boolean);
  const size = (each) => 2.4 + 3.8 * share(each.candidate.reward);
  const tip = tipOf({ x, y, title: (each) => `iteration ${each.candidate.i}, ${each.candidate.stage}\nmean return ${number(each.candidate.reward)}` });
  return [
    Plot.dot(first, { x, y, r: 2.2, fill: colour("--mute"), fillOpacity: 0.45 }),
    Plot.line(trail, { x, y, stroke: colour("--chosen"), strokeOpacity: 0.35 }),
    Plot.dot(known, { x, y, r: size, fill: (each) => sequential(share(each.candidate.reward)), fillOpacity: (each) => (each.candidate.at <= run.at ? 0.9 : 0.2), stroke: colour("--card"), strokeWidth: 0.6, sort: (each) => each.candidate.reward }),
    chosen.length > 1 ? Plot.arrow([chosen], { x1: (all) => x(all[0]), y1: (all) => y(all[0]), x2: (all) => x(all[all.length - 1]), y2: (all) => y(all[all.length - 1]), stroke: colour("--chosen"), strokeWidth: 2, bend: true }) : null,
    Plot.dot(chosen, { x, y, r: 9, stroke: colour("--chosen"), strokeWidth: 2 }),
    Plot.tip(known, Plot.pointer(tip)),
  ];
}

function drawSpace() {
  const figure = find("#space");
  const space = run.core.space;
  find("#space-controls").hidden = !space;
  find("#space-words").hidden = !space;
  if (!space) {
    put(figure, h("p", { class: "mute" }, run.core.sources.length ? "Programs have no places in a plane; their lineage stands at each of them." : "There are no two different policies with known parameters."));
    say(find("#space-note"), "");
    put(find("#space-legend"));
    return;
  }
  const { known, first } = points();
  const within = (each, ranges) => each.place.every((value, axis) => isNumber(value) && value >= ranges[axis][0] && value <= ranges[axis][1]);
  const usable = known.filter((each) => isNumber(each.candidate.reward));
  const ranges = usable.length ? [domain(usable, 0), domain(usable, 1)] : [[0, 1], [0, 1]];
  const inside = usable.filter((each) => within(each, ranges));
  const warm = first.filter((each) => within(each, ranges));
  const rewards = usable.map((each) => each.candidate.reward);
  const [low, high] = [d3.min(rewards), d3.max(rewards)];
  const share = (reward) => (high > low ? (reward - low) / (high - low) : 1);
  const percent = (axis) => `${Math.round(space.shares[axis] * 100)} % of the variance`;
  const labels = plane === "components" ? [`component 1 (${percent(0)})`, `component 2 (${percent(1)})`] : ["parameters that differ from the best policy", "mean return"];
  const width = widthOf(figure);
  const plot = Plot.plot({
    width, height: Math.min(400, width * 0.8), marginLeft: 46, marginBottom: 40, style: { background: "transparent", fontSize: "12.5px" },
    x: { domain: ranges[0], label: labels[0], grid: true, ticks: width < 600 ? 5 : 10 }, y: { domain: ranges[1], label: labels[1], grid: true },
    marks: spaceMarks(inside, warm, share),
  });
  named(plot, `${usable.length} policies; ${labels[0]} against ${labels[1]}.`);
  plot.style.cursor = "pointer";
  plot.addEventListener("click", () => { if (plot.value) choose(plot.value.candidate.at, true); });
  put(figure, plot);
  const ramp = [0, 0.25, 0.5, 0.75, 1].map((step) => {
    const swatch = h("i", { class: "swatch" });
    swatch.style.background = sequential(step);
    return h("span", {}, swatch, number(low + step * (high - low)));
  });
  put(find("#space-legend"), h("span", {}, "mean return:"), ...ramp, first.length ? h("span", {}, h("i", { class: "dot warm" }), "warm-up") : "");
  say(find("#space-note"), `Outside this picture: ${usable.length - inside.length} of ${plural(usable.length, "candidate")}${first.length ? `, ${first.length - warm.length} of ${first.length} warm-up policies` : ""}.`);
}

function listenToSpace() {
  for (const button of document.querySelectorAll("[data-plane]")) {
    button.addEventListener("click", () => {
      plane = button.dataset.plane;
      for (const each of document.querySelectorAll("[data-plane]")) each.setAttribute("aria-pressed", each === button);
      drawSpace();
    });
  }
}

view(drawSpace);
