"use strict";
/* The top of the page: whose run it is, its figures, and what of its log is missing. */

function drawHead() {
  const { head, tiles } = run.core;
  document.title = visible(`${head.title} · ${head.run}`);
  say(find("#title"), head.title);
  put(find("#badges"), ...head.badges.map((badge) => h("span", { class: "badge" }, badge)));
  say(find("#about"), [head.run, ...head.about].join(" · "));
  put(find("#tiles"), ...tiles.map(([value, what]) => h("div", { class: "tile" }, h("b", {}, value), h("span", {}, what))));
  put(find("#missing"), ...head.missing.map((line) => h("li", {}, line)));
}

view(drawHead, () => {});
