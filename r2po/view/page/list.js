"use strict";
/* The start of the list of runs: ask, draw, and keep up. */

function drawList() {
  writeAddress();
  drawHeadings();
  drawRows();
}

function drawRows() {
  const listed = inOrder(listedRows());
  drawChoices([...rows.values()]);
  placeRows(listed);
  drawTicks();
  say(find("#many"), listWords(listed));
  find("#none").hidden = listed.length > 0;
  say(find("#none"), rows.size ? "No run is like this." : "There are no runs here yet.");
}

function listWords(listed) {
  const running = listed.filter((row) => row.state === "running").length;
  const of = listed.length === rows.size ? "" : ` of ${count(rows.size)}`;
  return `${count(listed.length)}${of} ${rows.size === 1 ? "run" : "runs"}${running ? `, ${count(running)} running` : ""}`;
}

function takeChanges(changes) {
  takeRows(changes);
  if (changes.whole || changes.runs.length || changes.gone.length) drawRows();
  drawSweeps(changes.sweeps);
  put(find("#problems"), ...changes.problems.map((line) => h("li", {}, line)));
}

function compareTicked() {
  const ids = inOrder([...ticked].map((id) => rows.get(id))).map((row) => row.id);
  if (ids.length === 1) location.href = `/run/${ids[0]}`;
  else if (ids.length) location.href = `/compare?runs=${ids.join(",")}`;
}

async function start() {
  readAddress();
  listenToFilters(drawList);
  listenToListKeys();
  find("#compare").addEventListener("click", compareTicked);
  find("#untick").addEventListener("click", untick);
  drawHeadings();
  await keepAsking(takeChanges, () => null);
  document.documentElement.dataset.at = performance.now();
  document.documentElement.dataset.ready = "yes";
}

start();
