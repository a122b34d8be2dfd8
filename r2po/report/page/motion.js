"use strict";
/* The policies of the chosen iteration at work, side by side and in step, drawn from recorded states. */

const player = { step: 0, playing: false, last: 0, wanted: 0 };
const STEPS_PER_S = 50;
const SHOWN = 2;
const REST = 1;

/** Take in the block of rollouts; a part of them is added to those that are there. */
function takeRollouts(block) {
  if (!block.after) run.rollouts = new Map();
  if (block.about !== undefined) Object.assign(run.core, { motion: block.about, maps: block.maps });
  run.more = Boolean(block.more);
  for (const [place, rollout] of Object.entries(block.rollouts)) run.rollouts.set(Number(place), unpacked(rollout));
}

/** States of a rollout as numbers: each column is 16 bits between its lowest and its highest value. */
function unpacked(rollout) {
  const many = rollout.s ? rollout.s.length : 0;
  if (rollout.s) return { ...rollout, at: keptSteps(rollout, many) };
  const bytes = Uint8Array.from(atob(rollout.q), (each) => each.charCodeAt(0));
  const view16 = new DataView(bytes.buffer);
  const length = bytes.length / 2 / rollout.d;
  const value = (row, column) => rollout.lo[column] + (view16.getInt16(2 * (column * length + row), true) / 32767) * (rollout.hi[column] - rollout.lo[column]);
  const states = d3.range(length).map((row) => d3.range(rollout.d).map((column) => value(row, column)));
  return { ...rollout, q: null, states, at: keptSteps(rollout, length) };
}

/** The step of each kept state: every n-th, and the last one. */
const keptSteps = (rollout, many) => d3.range(many).map((place) => Math.min(place * rollout.step, rollout.T));

/** The candidates to play: of many, the kept one. */
function played() {
  const tried = here();
  const chosen = tried.length > SHOWN ? tried.filter((each) => each.kept) : tried;
  return chosen.map((candidate) => [candidate, run.rollouts ? run.rollouts.get(candidate.place) : undefined]);
}

/** The place of a step among the kept states, with a fraction between two of them. */
function placeOf(rollout, step) {
  const last = rollout.at.length - 1;
  if (step >= rollout.T) return last;
  return Math.min(last, step / rollout.step);
}

function stateAt(rollout, place) {
  const from = rollout.states[Math.floor(place)];
  const to = rollout.states[Math.min(Math.floor(place) + 1, rollout.states.length - 1)];
  const share = place - Math.floor(place);
  return from.map((value, at) => (Math.abs(to[at] - value) > (rollout.hi[at] - rollout.lo[at]) / 2 ? value : value + (to[at] - value) * share));
}

function drawRollout(canvas, candidate, rollout) {
  const width = widthOf(canvas.parentElement);
  const tall = run.core.maps && run.core.maps.height >= run.core.maps.width;
  const height = Math.round(tall ? Math.min(300, width * 0.9) : Math.min(250, Math.max(150, width * 0.5)));
  const context = sized(canvas, width, height);
  const place = placeOf(rollout, player.step);
  if (rollout.film) { drawFilm(context, width, height, rollout); return; }
  if (rollout.s) { drawNumbered(context, width, height, rollout, place, candidate); return; }
  const draw = DRAWINGS[run.core.head.task];
  (draw || traces)(context, width, height, stateAt(rollout, place), rollout, place);
  if (draw && player.step < rollout.T) drawAction(context, width, rollout, place);
}

/** The picture of the moment, from the image that holds all of them; after the last one, that stays. */
function drawFilm(context, width, height, rollout) {
  const { film } = rollout;
  if (!film.loaded) {
    film.loaded = new Image();
    film.loaded.addEventListener("load", redraw);
    film.loaded.src = `data:image/webp;base64,${film.image}`;
  }
  if (!film.loaded.complete) return;
  const place = Math.min(film.many - 1, Math.floor(player.step / film.every));
  const scale = Math.min(width / film.width, height / film.height);
  const size = [film.width * scale, film.height * scale];
  const from = [(place % film.columns) * film.width, Math.floor(place / film.columns) * film.height];
  context.drawImage(film.loaded, ...from, film.width, film.height, (width - size[0]) / 2, (height - size[1]) / 2, ...size);
}

/** The action as an arrow above, where it is one number; of two choices, to the left or to the right. */
function drawAction(context, width, rollout, place) {
  if (!rollout.a || run.core.head.task === "pong") return;
  const action = rollout.a[Math.min(Math.floor(place), rollout.a.length - 1)];
  const three = run.core.head.task === "mountaincar" || run.core.head.task === "acrobot";
  const size = run.core.discrete ? (three ? action - 1 : 2 * action - 1) : Math.max(-1, Math.min(1, action));
  context.strokeStyle = context.fillStyle = colour("--chosen");
  arrow(context, width / 2, 16, 42 * size, 0, 4);
}

function caption(candidate, rollout) {
  const name = h("b", { class: stageVariable(candidate.stage).slice(2) }, title(candidate.stage));
  if (!rollout) return [name, candidate.kept ? ", kept" : "", candidate.failure ? ` · failed: ${candidate.failure}` : " · no rollout of it can be played"];
  const step = Math.min(rollout.T, Math.round(player.step));
  const end = step === rollout.T && candidate.ends ? `, ${candidate.ends[rollout.k]}` : "";
  const why = (candidate.shown || []).includes(rollout.k) ? "a prompt showed it" : "the median one";
  return [name, candidate.kept ? ", kept" : "", ` · step ${step} of ${rollout.T}${end} · return ${number(rollout.return)} (mean ${number(candidate.reward)}) · ${candidate.returns && candidate.returns.length > 1 ? why : "its only rollout"}`];
}

function drawStage() {
  const all = played();
  const stage = find("#stage");
  const some = all.some(([, rollout]) => rollout);
  find("#motion-controls").hidden = !some;
  say(find("#motion-words"), run.core.motion);
  if (!run.rollouts && run.core.candidates.length) { put(stage, h("p", { class: "mute" }, "Rollouts are being read …")); return; }
  const longest = Math.max(1, ...all.map(([, rollout]) => (rollout ? rollout.T : 1)));
  player.longest = longest;
  find("#scrub").max = longest;
  find("#scrub").value = Math.round(player.step);
  put(stage, ...all.map(([candidate, rollout]) => {
    const canvas = h("canvas", { role: "img", "aria-label": rollout ? `The ${candidate.stage} in step ${Math.round(player.step)} of ${rollout.T}` : "no rollout", hidden: !rollout });
    return h("figure", { class: rollout ? null : "empty" }, canvas, h("figcaption", { class: "small" }, ...caption(candidate, rollout)));
  }));
  redraw();
}

/** Draw the moment anew, without making elements. */
function redraw() {
  const figures = find("#stage").querySelectorAll("figure");
  played().forEach(([candidate, rollout], at) => {
    if (!rollout || !figures[at]) return;
    drawRollout(figures[at].firstChild, candidate, rollout);
    put(figures[at].lastChild, ...caption(candidate, rollout));
  });
  find("#scrub").value = Math.round(player.step);
}

function tick(now) {
  if (!player.playing) return;
  const passed = Math.min(0.1, (now - (player.last || now)) / 1000);
  player.last = now;
  const few = run.core.maps || run.core.head.task === "nim";
  player.step += passed * (few ? 4 : STEPS_PER_S) * Number(find("#speed").value);
  if (player.step > player.longest + REST * (few ? 4 : STEPS_PER_S)) player.step = 0;
  redraw();
  requestAnimationFrame(tick);
}

function play(on) {
  player.playing = on;
  player.last = 0;
  say(find("#play"), on ? "Pause" : "Play");
  find("#play").setAttribute("aria-pressed", on);
  if (on) requestAnimationFrame(tick);
}

function listenToPlayer() {
  find("#play").addEventListener("click", () => play(!player.playing));
  find("#scrub").addEventListener("input", (event) => {
    play(false);
    player.step = Number(event.target.value);
    redraw();
  });
}

view(drawStage, () => { player.step = 0; drawStage(); }, true);
