"use strict";
/* Small pictures in rows: how the best so far rose, and how far a run is. */

const SVG = "http://www.w3.org/2000/svg";
const SPARK = { width: 96, height: 22, edge: 2 };

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The corners of a line through values, from edge to edge; where no policy worked yet there is none. */
function corners(values) {
  const known = values.filter((each) => each != null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const step = (SPARK.width - 2 * SPARK.edge) / Math.max(1, values.length - 1);
  const tall = SPARK.height - 2 * SPARK.edge;
  const y = (value) => SPARK.edge + (high > low ? (1 - (value - low) / (high - low)) * tall : tall / 2);
  return values.flatMap((value, at) => (value == null ? [] : [`${(SPARK.edge + at * step).toFixed(1)},${y(value).toFixed(1)}`]));
}

/** The best so far as a line; its ends are in its name, for those who cannot see it. */
function spark(values) {
  const known = values.filter((each) => each != null);
  if (known.length < 2) return null;
  const line = svg("polyline", { points: corners(values).join(" ") });
  const picture = svg("svg", { class: "spark", width: SPARK.width, height: SPARK.height, viewBox: `0 0 ${SPARK.width} ${SPARK.height}` }, line);
  named(picture, `best so far: from ${number(known[0])} to ${number(known[known.length - 1])}`);
  return picture;
}

/** How many of what is planned are done. */
function progress(done, planned) {
  const words = planned == null ? count(done) : `${count(done)} of ${count(planned)}`;
  if (!planned) return [words];
  return [h("progress", { value: Math.min(done, planned), max: planned, "aria-hidden": "true" }), words];
}
