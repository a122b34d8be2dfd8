"use strict";
/* Colours come from the variables of the style sheet, which know light and dark. */

const known = new Map();

/** Return a variable of the style sheet; remembered, since asking the browser is slow. */
function colour(name) {
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return known.get(name);
}

const forgetColours = () => known.clear();
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;

const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const between = (from, to, share) => from.map((value, at) => Math.round(value + (to[at] - value) * share));

/** The colour of a parameter: one hue below 0, another above; `largest` has the full colour. */
function diverging(value, largest) {
  const share = Math.min(1, Math.abs(value) / (largest || 1)) ** 0.8;
  return between(parts(colour("--middle")), parts(colour(value < 0 ? "--below" : "--above")), share);
}

const rgb = (channels) => `rgb(${channels.join(",")})`;
const inkOn = (channels) => ((0.299 * channels[0] + 0.587 * channels[1] + 0.114 * channels[2]) / 255 > 0.55 ? "#111" : "#fff");

/** The colour of a return between the lowest, 0, and the highest, 1: cividis, so that the best stands out. */
const sequential = (share) => d3.interpolateCividis(isDark() ? 0.12 + 0.88 * share : 0.92 * (1 - share));

const CHOICES = 12;

/** The colour of a choice by its place among all. */
const choiceColour = (place) => colour(`--choice-${place % CHOICES}`);

/** The colour of a stage: proposals are orange, what revises them or follows is blue. */
function stageVariable(stage) {
  const stages = run.core.stages;
  return stages.length && stage === stages[1] ? "--revision" : "--proposal";
}

const stageColour = (stage) => colour(stageVariable(stage));
