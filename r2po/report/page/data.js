"use strict";
/* What the page knows of a run. */

/** Return the values of a block, which is base64 of gzip of JSON. */
async function inflated(block) {
  const bytes = Uint8Array.from(atob(block.trim()), (each) => each.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** The run that is shown: `core` at once, `texts` and `rollouts` once they are read. */
const run = { id: "", core: null, texts: null, rollouts: null, at: 0, tried: [] };

/** Take in the core of a run: its candidates by iteration. */
function takeCore(id, core) {
  Object.assign(run, { id, core, texts: null, rollouts: null, largest: null });
  const places = new Map(core.iterations.map((each, place) => [each.n, place]));
  run.tried = core.iterations.map(() => []);
  core.candidates.forEach((candidate, place) => {
    candidate.place = place;
    candidate.at = places.get(candidate.i);
    if (candidate.at !== undefined) run.tried[candidate.at].push(candidate);
  });
  run.places = places;
}

const here = () => run.tried[run.at] || [];
const keptOf = (at) => run.tried[at].find((candidate) => candidate.kept);

/** What a candidate is compared with: its parent, else the first of its iteration; only policies of numbers. */
function comparedWith(candidate) {
  const first = run.tried[candidate.at].find((each) => each.stage === run.core.stages[0]);
  const other = candidate.parent != null && candidate.revises ? run.core.candidates[candidate.parent]
    : run.core.revises && candidate.stage === run.core.stages[1] ? first : null;
  return other && other.params && candidate.params && other.params.length === candidate.params.length ? other : null;
}

const edits = (candidate, other) => candidate.params.filter((value, at) => value !== other.params[at]).length;

/** The size from which parameters have their full colour: few lie beyond. */
function largestParameter() {
  if (run.largest == null) {
    const sizes = run.core.candidates.flatMap((each) => (each.params || []).map(Math.abs)).sort(d3.ascending);
    run.largest = d3.quantile(sizes, 0.98) || 1;
  }
  return run.largest;
}

/** Name a parameter by what the layout knows of it. */
function parameterName(at) {
  const layout = run.core.layout;
  if (layout.kind === "matrix") {
    const columns = layout.columns.length;
    return `params[${at}] (${layout.rows[Math.floor(at / columns)]}${columns > 1 ? `, ${layout.columns[at % columns]}` : ""})`;
  }
  return layout.kind === "choices" ? `state ${at}` : `params[${at}]`;
}

/** What a value of a parameter is called. */
function valueName(value) {
  const layout = run.core.layout;
  const found = layout.kind === "choices" ? layout.values.find((each) => each[0] === value) : null;
  return found ? `${value}: ${found[1]}` : String(value);
}

/** The place of a choice among all, for its colour; choices that no card names are taken as numbers. */
function choicePlace(value) {
  const found = run.core.layout.values.findIndex((each) => each[0] === value);
  return found < 0 ? Math.abs(value) : found;
}

const parameterColour = (value) => (run.core.layout.kind === "choices" ? parts(choiceColour(choicePlace(value))) : diverging(value, largestParameter()));
