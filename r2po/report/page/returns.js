"use strict";
/* The returns of the rollouts of a candidate: sorted bars, so that ties can be seen. */

function returnsRange() {
  const all = here().flatMap((each) => (each.returns || []).filter(isNumber));
  return all.length ? [d3.min(all), d3.max(all)] : [0, 1];
}

/** A figure of the returns; null for a single rollout. */
function returnsFigure(candidate, width) {
  const returns = (candidate.returns || []).filter(isNumber);
  if (returns.length < 2) return null;
  const [low, high] = returnsRange();
  const bottom = Math.min(0, low);
  const top = high > 0 || low < 0 ? Math.max(0, high) : 1;
  const sorted = returns.map((value, rollout) => ({ value, rollout })).sort((one, other) => one.value - other.value);
  const least = (top - bottom) * 0.015;
  const end = (value) => (Math.abs(value) >= least ? value : value < 0 || top === 0 ? -least : least);
  const isShown = (each) => (candidate.shown || []).includes(each.rollout);
  const tip = (each) => [
    `rollout ${each.rollout}: return ${number(each.value)}`,
    candidate.lengths ? `${plural(candidate.lengths[each.rollout], "step")}${candidate.ends ? `, ${candidate.ends[each.rollout]}` : ""}` : "",
    isShown(each) ? "a prompt showed it" : "",
  ].filter(Boolean).join("\n");
  const plot = Plot.plot({
    width: Math.min(600, width), height: 92, marginTop: 8, marginBottom: 6, marginLeft: 48, marginRight: 4,
    style: { background: "transparent", fontSize: "12px" },
    x: { axis: null, padding: 0.25, domain: d3.range(sorted.length) }, y: { domain: [bottom, top], ticks: 3, grid: true, label: null },
    marks: [
      Plot.barY(sorted, { x: (_, place) => place, y1: 0, y2: (each) => end(each.value), fill: (each) => (isShown(each) ? colour("--chosen") : stageColour(candidate.stage)), fillOpacity: 0.8 }),
      Plot.ruleY([candidate.reward].filter(isNumber), { stroke: colour("--kept"), strokeWidth: 1.5, strokeDasharray: "5,3" }),
      Plot.tip(sorted, Plot.pointerX(tipOf({ x: (_, place) => place, y: "value", title: tip }))),
    ],
  });
  named(plot, `Returns of ${returns.length} rollouts from ${number(d3.min(returns))} to ${number(d3.max(returns))}, mean ${number(candidate.reward)}.`);
  return h("figure", {}, plot, h("p", { class: "mute small" }, returnsWords(candidate)));
}

function returnsWords(candidate) {
  const ends = d3.rollups(candidate.ends || [], (all) => all.length, (end) => end).map(([end, many]) => `${many} ${end}`);
  const shown = (candidate.shown || []).length ? "violet: shown in a prompt" : "";
  const success = candidate.success == null ? "" : `${Math.round(candidate.success * 100)} % succeeded`;
  return [`${candidate.returns.length} rollouts, sorted; dashes: their mean`, shown, ends.join(", "), success].filter(Boolean).join(" · ");
}
