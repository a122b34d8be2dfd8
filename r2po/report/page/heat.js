"use strict";
/* The parameters of the kept policies, a column for each iteration, below the curve and on its x axis. */

function heatRows() {
  const size = run.core.size;
  const height = Math.max(size > 40 ? 4 : 11, Math.min(17, 230 / size));
  return { size, height, whole: Math.round(size * height) };
}

function drawHeat() {
  const canvas = find("#heat");
  const rows = heatRows();
  const note = find("#heat-note");
  find("#heat-figure").hidden = !rows.size;
  if (!rows.size) {
    say(note, run.core.sources.length ? "Policies are programs: their sources and what changed in them stand below." : "The log holds no parameters.");
    return;
  }
  const width = widthOf(canvas.parentElement);
  const context = sized(canvas, width, rows.whole + 4);
  drawHeatLabels(context, rows);
  run.core.iterations.forEach((each, at) => {
    const kept = keptOf(at);
    const from = xOf(each.n - 0.5, width);
    const to = xOf(each.n + 0.5, width);
    if (!kept || !kept.params) return;
    for (let row = 0; row < rows.size; row += 1) {
      context.fillStyle = rgb(parameterColour(kept.params[row]));
      context.fillRect(from, row * rows.height, Math.ceil(to - from + 0.3), Math.ceil(rows.height));
    }
  });
  if (iteration()) {
    context.strokeStyle = colour("--chosen");
    context.lineWidth = 2;
    context.strokeRect(xOf(iteration().n - 0.5, width) - 1, 1, xOf(1, width) - xOf(0, width) + 2, rows.whole);
  }
  named(canvas, `${rows.size} parameters of the kept policy over ${run.core.iterations.length} iterations, as colours.`);
  say(note, heatNote());
  drawChoices(find("#heat-legend"));
}

function drawHeatLabels(context, rows) {
  context.font = "11.5px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillStyle = colour("--mute");
  if (rows.size > 60) return;
  for (let row = 0; row < rows.size; row += 1) {
    if (rows.height >= 11 || row % 5 === 0) context.fillText(run.core.layout.kind === "choices" ? `s${row}` : `p${row}`, LEFT - 8, (row + 0.5) * rows.height);
  }
}

const heatNote = () => `${run.core.layout.kind === "choices" ? "Colour: the action of the kept policy in each state." : "Colour: value of each parameter of the kept policy."} Point for numbers, click to choose.`;

/** The legend of colours: choices by name, numbers as a ramp. */
function drawChoices(element) {
  const layout = run.core.layout;
  if (layout.kind === "choices") {
    put(element, ...layout.values.map(([value, name], place) => {
      const swatch = h("i", { class: "swatch" });
      swatch.style.background = choiceColour(place);
      return h("span", {}, swatch, `${value}: ${name}`);
    }));
    return;
  }
  const largest = largestParameter();
  const steps = [-1, -0.5, 0, 0.5, 1].map((share) => {
    const swatch = h("i", { class: "swatch" });
    swatch.style.background = rgb(diverging(share * largest, largest));
    return h("span", {}, swatch, number(share * largest));
  });
  put(element, ...steps);
}

function heatTip(event) {
  const canvas = find("#heat");
  const box = canvas.getBoundingClientRect();
  const row = Math.floor((event.clientY - box.top) / heatRows().height);
  const at = placeAt(event.clientX - box.left, box.width);
  const kept = run.core.iterations.length && event.clientX - box.left >= LEFT ? keptOf(at) : null;
  if (!kept || !kept.params || row < 0 || row >= kept.params.length) {
    say(find("#heat-note"), heatNote());
    return;
  }
  const before = at > 0 ? keptOf(at - 1) : null;
  const was = before && before.params && before.params[row] !== kept.params[row] ? `; before: ${valueName(before.params[row])}` : "";
  say(find("#heat-note"), `Iteration ${kept.i}, ${parameterName(row)} = ${valueName(kept.params[row])}${was}`);
}

function listenToHeat() {
  const canvas = find("#heat");
  choosesByPoint(canvas);
  // The pointer also leaves a run that has just been closed.
  canvas.addEventListener("pointermove", (event) => { if (run.core) heatTip(event); });
  canvas.addEventListener("pointerleave", () => { if (run.core) say(find("#heat-note"), heatNote()); });
}

view(drawHeat);
