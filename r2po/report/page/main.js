"use strict";
/* The start: read the core, draw; then read texts and rollouts, and draw what needs them. */

/** The run that was asked for last: blocks of one that was asked for before may come later. */
let opening = "";

/** Say why a page is not what it should be. */
function fail(error) {
  const box = find("#failure");
  box.hidden = false;
  say(box, `${UNREADABLE} ${error}`);
  document.documentElement.dataset.ready = "failed";
}

/** Say what an address asked for that the page does not hold: a link may be old, or mistyped. An empty text hides the line. */
function missed(what) {
  const box = find("#failure");
  box.hidden = !what;
  say(box, what);
}

/** Choose the iteration that the address asks for, else the best one. */
function arrive(n) {
  const place = n == null ? undefined : run.places.get(n);
  run.at = place ?? Math.max(0, bestPlace() ?? 0);
  missed(n != null && place === undefined ? `The address asks for an iteration that this run does not have; this is ${iteration() ? `iteration ${iteration().n}` : "its beginning"}.` : "");
}

/** Open a run at an iteration, or at its best; `keep` leaves a step in the history. */
async function openRun(id, n, keep) {
  opening = id;
  const core = await readBlock(`${id}-core`);
  if (opening !== id) return;
  takeCore(id, core);
  player.step = 0;
  forgetReading();
  find("#run").hidden = false;
  arrive(n);
  remember(keep);
  drawAll();
  await Promise.all([readTexts(id), readRollouts(id)]);
}

/** Read the texts of the run that is shown, and draw what needs them. */
async function readTexts(id) {
  const texts = await readBlock(`${id}-texts`);
  if (run.id !== id) return;
  takeTexts(texts);
  drawDetail();
  drawPrompts();
}

/** Read its rollouts, likewise. */
async function readRollouts(id) {
  const motion = await readBlock(`${id}-motion`);
  if (run.id !== id) return;
  takeRollouts(motion);
  drawDetail();
  drawStage();
}

/** Go back to the overview. */
function closeRun() {
  opening = "";
  play(false);
  Object.assign(run, { id: "", core: null, texts: null, rollouts: null, tried: [], at: 0 });
  find("#run").hidden = true;
  scrollTo(0, 0);
}

function listenToPage() {
  let timer = 0;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(drawEverything, 80);
  });
  const anew = () => { forgetColours(); drawEverything(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  matchMedia("print").addEventListener("change", anew);
  addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("#run section > details")) fold.open = true; anew(); });
  addEventListener("afterprint", anew);
  // An address may also name an element, such as that of the link which skips to the iteration: nothing is chosen then.
  addEventListener("popstate", () => { if (!document.getElementById(location.hash.slice(1))) follow(); });
  for (const [fold, draw] of [["#iterations-fold", drawIterations]]) find(fold).addEventListener("toggle", draw);
}

function drawEverything() {
  if (run.core) drawAll();
  if (overview) drawOverview();
}

/** Show what the address asks for. */
async function follow() {
  const { id, n } = asked();
  const wanted = overview ? id : "run";
  const other = overview && overview.runs.find((each) => each.id === wanted);
  if (overview && !other) {
    closeRun();
    missed(wanted ? `The address asks for a run called ${wanted}, which this page does not have.` : "");
  } else if (other && other.file) {
    location.href = `${other.file}${n == null ? "" : `#i=${n}`}`;
  } else if (wanted !== run.id) {
    try { await openRun(wanted, n); } catch (error) { fail(error); }
  } else {
    opening = run.id;
    arrive(n);
    for (const each of views) each.move();
  }
}

async function start() {
  listenToControls();
  listenToHeat();
  listenToPrompts();
  listenToSpace();
  listenToPlayer();
  listenToKeys();
  listenToPage();
  if (hasOverview()) await openOverview();
  await follow();
  listenToSource();
  document.documentElement.dataset.at = performance.now();
  document.documentElement.dataset.ready ||= "yes";
}

start().catch(fail);
