"use strict";
/* What the models were asked: by default only what the question before, to the same role, did not hold. */

let mode = "changed";
let sought = "";
const picked = new Map();

const MOST_LINES = 3000;
const FEWEST_STEPS = 7;

const textOf = (line) => run.texts.lines[line];
const isStep = (line) => STEP.test(textOf(line));

function leftOut(text) {
  return text.startsWith(MARK) ? `… ${plural(Number(text.slice(1)), "step")} of a rollout, in the log but not in this page …` : visible(text);
}

/** Forget what was sought and picked: it was of another run. */
function forgetReading() {
  sought = "";
  picked.clear();
  find("#sought").value = "";
  put(find("#found"));
}

/** A line, with what is sought marked in it. */
function lineNode(line, fresh) {
  const text = leftOut(textOf(line));
  const nodes = sought ? soughtIn(text) : [text];
  return fresh ? h("span", { class: "new" }, ...nodes, "\n") : h("span", {}, ...nodes, "\n");
}

function soughtIn(text) {
  const nodes = [];
  const lower = text.toLowerCase();
  const wanted = sought.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    nodes.push(text.slice(from, at), h("mark", {}, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  return [...nodes, text.slice(from)];
}

function stepsNode(steps, fresh) {
  const words = `${plural(steps.length, "step")} of a rollout, ${fresh === steps.length ? "all" : count(fresh)} new`;
  const fold = h("details", { class: "steps" }, h("summary", {}, words));
  fold.addEventListener("toggle", () => { if (fold.children.length === 1) fold.append(h("pre", {}, ...steps.map((line) => lineNode(line, false)))); });
  return fold;
}

/** The new lines of a section; what is old is counted, and long new rollouts are folded. */
function changedNodes(section, isNew) {
  const nodes = [];
  let old = 0;
  let steps = [];
  let fresh = 0;
  const endOld = () => { if (old) nodes.push(h("span", { class: "gap" }, `… ${plural(old, "unchanged line")}\n`)); old = 0; };
  const endSteps = () => {
    if (fresh && steps.length >= FEWEST_STEPS) {
      endOld();
      nodes.push(stepsNode(steps, fresh));
    } else {
      for (const line of steps) {
        if (!isNew(line)) { old += 1; continue; }
        endOld();
        nodes.push(lineNode(line, true));
      }
    }
    steps = [];
    fresh = 0;
  };
  for (const line of section.lines) {
    if (isStep(line)) { steps.push(line); fresh += isNew(line); continue; }
    endSteps();
    if (isNew(line)) { endOld(); nodes.push(lineNode(line, true)); } else old += 1;
  }
  endSteps();
  endOld();
  return nodes;
}

function sectionNode(section, isNew, before) {
  const fresh = section.lines.filter(isNew).length;
  const words = before && fresh ? `${count(fresh)} new of ${plural(section.lines.length, "line")}` : `${plural(section.lines.length, "line")}${before ? ", unchanged" : ""}`;
  const pre = h("pre", {});
  const fold = h("details", { open: mode === "changed" && (fresh > 0 || !before) }, h("summary", {}, section.name, h("span", { class: "mute" }, words)), pre);
  const fill = () => {
    if (!fold.open || pre.childNodes.length) return;
    if (mode === "changed" && before) pre.append(...changedNodes(section, isNew));
    else pre.append(...section.lines.map((line) => lineNode(line, before && isNew(line))));
  };
  fold.addEventListener("toggle", fill);
  fill();
  return fold;
}

function fullText(call, isNew, before) {
  const lines = Array.from(call.lines);
  const pre = h("pre", { class: "whole", tabindex: 0 }, ...lines.slice(0, MOST_LINES).map((line) => lineNode(line, before && isNew(line))));
  const rest = lines.slice(MOST_LINES);
  const more = h("button", { type: "button" }, `show ${plural(rest.length, "more line")}`);
  more.addEventListener("click", () => { pre.append(...rest.map((line) => lineNode(line, before && isNew(line)))); more.remove(); });
  const exact = isWhole(call) ? "" : "Rollouts are left out here; `r2po report --texts all` keeps them.";
  return h("div", {}, h("p", { class: "bar" }, copyButton(() => promptOf(call)), h("span", { class: "mute small" }, exact)), pre, rest.length ? more : null);
}

function promptNode(call) {
  const before = callBefore(call);
  const old = new Set(before ? before.lines : []);
  const isNew = (line) => !old.has(line) && textOf(line).trim() !== "";
  const fresh = Array.from(call.lines).filter(isNew).length;
  const words = before ? `${count(fresh)} of ${plural(call.lines.length, "line")} were not in the question before (iteration ${before.i})` : "the first question to this role";
  const about = h("p", { class: "mute small" }, `${count(call.chars)} characters; ${words}`);
  if (mode === "full") return [about, fullText(call, isNew, before)];
  const sections = sectionsOf(call);
  const open = mode === "changed" && before ? sections.filter((each) => each.lines.some(isNew)) : sections;
  const closed = sections.filter((each) => !open.includes(each)).map((each) => each.name);
  const rest = closed.length ? h("p", { class: "mute small unchanged" }, `Unchanged: ${closed.join(", ")}`) : null;
  const same = before && !open.length ? h("p", { class: "mute small unchanged" }, "The same question as before.") : null;
  return [about, h("div", { class: "prompt" }, ...open.map((each) => sectionNode(each, isNew, before)), same, rest)];
}

/** Of the questions of an iteration, the one to show at first: its reply was used, or it has one. */
const firstOf = (calls) => calls.find((each) => each.reply != null && !each.refusal) || calls.find((each) => each.reply != null) || calls[0];

function roleNode(role, calls) {
  const wanted = picked.get(role);
  const call = wanted == null ? firstOf(calls) : calls[Math.min(wanted, calls.length - 1)];
  const fate = (each) => (each.reply == null ? " (never answered)" : each.refusal ? " (not used)" : "");
  const name = (each) => `sample ${each.sample}, attempt ${each.attempt}${fate(each)}`;
  const select = calls.length > 1 ? h("select", { "aria-label": `which question to ${role}` }, ...calls.map((each, at) => h("option", { value: at, selected: each === call }, name(each)))) : null;
  if (select) select.addEventListener("change", () => { picked.set(role, Number(select.value)); drawPrompts(); });
  return h("div", { class: "role" }, h("h3", {}, `Question to ${role}`, select), ...promptNode(call));
}

function drawPrompts() {
  const box = find("#prompts");
  const core = run.core;
  find("#prompt-controls").hidden = !core.roles.length;
  find("#find").hidden = !core.roles.length;
  if (!core.roles.length) { put(box, h("p", { class: "mute" }, "This method asks no language model.")); return; }
  if (!run.texts) { put(box, h("p", { class: "mute" }, "Texts are being read …")); return; }
  const calls = iteration() ? d3.groups(callsOf(iteration().n), (call) => call.role) : [];
  const problem = run.texts.problem ? h("p", { class: "fault" }, run.texts.problem) : null;
  const none = calls.length ? null : h("p", { class: "mute" }, "The log holds no question of this iteration.");
  box.className = calls.length > 1 ? "two" : "";
  put(box, ...[problem, none].filter(Boolean), ...calls.map(([role, all]) => roleNode(role, all)));
}

function listenToPrompts() {
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => {
      mode = button.dataset.mode;
      for (const each of document.querySelectorAll("[data-mode]")) each.setAttribute("aria-pressed", each === button);
      drawPrompts();
    });
  }
  find("#find").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  find("#sought").addEventListener("input", (event) => { if (!event.target.value) search(); });
}

const MOST_FOUND = 60;

/** Say in which iterations a text stands, and mark it in the chosen one. */
function search() {
  sought = find("#sought").value;
  const box = find("#found");
  if (!sought || !run.texts) { put(box); drawPrompts(); return; }
  const found = iterationsWith(sought);
  const buttons = found.slice(0, MOST_FOUND).map((n) => h("button", { type: "button", class: "link", on: { click: () => chooseNumber(n, true) } }, String(n)));
  const more = found.length > MOST_FOUND ? ` and ${found.length - MOST_FOUND} more` : "";
  put(box, found.length ? `in ${plural(found.length, "iteration")}: ` : "in no prompt and no reply", ...buttons.flatMap((each) => [each, " "]), more);
  drawPrompts();
}

view(drawPrompts, null, true);
