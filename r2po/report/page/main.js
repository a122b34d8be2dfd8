"use strict";
/* The start: read the core, draw; then read texts and rollouts, and draw what needs them. */

/** Say why a page is not what it should be. */
function fail(error) {
  const box = find("#failure");
  box.hidden = false;
  box.textContent = `This page cannot be read: a block is damaged, or the browser is too old (it needs DecompressionStream, from 2023 on). ${error}`;
  document.documentElement.dataset.ready = "failed";
}

async function openRun(id, n) {
  takeCore(id, await readBlock(`${id}-core`));
  player.step = 0;
  find("#run").hidden = false;
  const wanted = n == null ? undefined : run.places.get(n);
  run.at = wanted === undefined ? Math.max(0, bestPlace() ?? 0) : wanted;
  drawAll();
  const [texts, motion] = await Promise.all([readBlock(`${id}-texts`), readBlock(`${id}-motion`)]);
  if (run.id !== id) return;
  takeTexts(texts);
  takeRollouts(motion);
  drawDetail();
  drawPrompts();
  drawStage();
}

function listenToPage() {
  let timer = 0;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(() => { if (run.core) drawAll(); }, 80);
  });
  const anew = () => { forgetColours(); drawEverything(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  matchMedia("print").addEventListener("change", anew);
  addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("#run section > details")) fold.open = true; anew(); });
  addEventListener("afterprint", anew);
  addEventListener("popstate", follow);
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
  if (wanted && wanted !== run.id) {
    try { await openRun(wanted, n); } catch (error) { fail(error); }
  } else if (n != null && run.core && run.places.has(n)) {
    run.at = run.places.get(n);
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
  if (document.getElementById("data-overview")) await openOverview();
  await follow();
  document.documentElement.dataset.ready ||= "yes";
}

start().catch(fail);
