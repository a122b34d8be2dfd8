"use strict";
/* The top of the page: whose run it is, its figures, and what of its log is missing. */

function drawHead() {
  const { head, tiles } = run.core;
  document.title = `${head.title} · ${head.run}`;
  find("#title").textContent = visible(head.title);
  find("#badges").replaceChildren(...head.badges.map((badge) => h("span", { class: "badge" }, visible(badge))));
  find("#about").textContent = visible([head.run, ...head.about].join(" · "));
  find("#tiles").replaceChildren(...tiles.map(([value, what]) => h("div", { class: "tile" }, h("b", {}, value), h("span", {}, visible(what)))));
  find("#missing").replaceChildren(...head.missing.map((line) => h("li", {}, visible(line))));
}

view(drawHead, () => {});
