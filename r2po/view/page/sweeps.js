"use strict";
/* The sweeps: how far each is, how fast it goes, and what people have asked of it. */

const SWEEP_STATES = { complete: "done", running: "running", waiting: "waiting", failed: "failed", damaged: "damaged" };

function drawSweeps(sweeps) {
  find("#sweeps").hidden = !sweeps.length;
  const open = new Set([...document.querySelectorAll("#sweeps details[open]")].map((each) => each.dataset.name));
  const words = JSON.stringify(sweeps);
  const list = find("#sweep-list");
  if (list.dataset.words === words) return;
  list.dataset.words = words;
  put(list, ...sweeps.map((sweep) => sweepElement(sweep, open)));
}

function sweepElement(sweep, open) {
  const name = h("button", { type: "button", class: "link", title: "list its runs", on: { click: () => listSweep(sweep) } }, sweep.name);
  if (sweep.problem) return h("li", {}, h("b", {}, sweep.name), h("p", { class: "fault" }, sweep.problem));
  const done = sweep.states.complete || 0;
  const states = Object.keys(SWEEP_STATES).filter((each) => each !== "complete" && sweep.states[each]).map((each) => `${count(sweep.states[each])} ${SWEEP_STATES[each]}`);
  const total = sweep.iterations + sweep.to_go;
  const bar = h("progress", { value: sweep.iterations, max: total || 1, "aria-hidden": "true" });
  const lines = [
    h("p", {}, name, h("span", { class: "mute small" }, ` started ${sweep.started} UTC`)),
    h("p", {}, bar, ` ${count(done)} of ${plural(sweep.runs, "run")} done`, states.length ? `, ${states.join(", ")}` : "", `; ${count(sweep.iterations)} of ${plural(total, "iteration")}`),
    h("p", { class: "mute small" }, [sweep.pace, ...sweep.asked].filter(Boolean).join(" · ")),
  ];
  return h("li", {}, ...lines, failuresOf(sweep, open));
}

function failuresOf(sweep, open) {
  if (!sweep.failures.length) return null;
  const items = sweep.failures.map((line) => h("li", {}, line));
  return h("details", { "data-name": sweep.name, open: open.has(sweep.name) }, h("summary", {}, `${plural(sweep.failures.length, "run")} failed`), h("ul", { class: "faults" }, ...items));
}

/** List the runs that lie beside a sweep's own folder. */
function listSweep(sweep) {
  chosen.text = sweep.beside;
  find("#text").value = chosen.text;
  drawList();
  find("#runs").scrollIntoView({ block: "start" });
}
