"use strict";
/* The chosen iteration: its candidates, how they did, what they are, and what the model said. */

const FEW = 2;

function replyOf(call) {
  const parts = [];
  if (call.think) parts.push(h("details", {}, h("summary", {}, "Thoughts", h("span", { class: "mute" }, `${count(call.think.length)} characters`)), h("pre", {}, ...shown(call.think))));
  if (call.reply == null) parts.push(h("p", { class: "mute small" }, "This question was never answered."));
  else parts.push(h("pre", {}, ...shown(call.reply)));
  return parts;
}

function callWords(call) {
  const usage = call.usage || {};
  const tokens = usage.prompt_tokens == null && usage.completion_tokens == null ? "" : `${count(usage.prompt_tokens)} + ${count(usage.completion_tokens)} tokens`;
  return [tokens, call.s == null ? "" : `answered in ${seconds(call.s)}`, call.failures ? `${plural(call.failures, "failed attempt")} before` : ""].filter(Boolean).join(" · ");
}

/** Replies to the same question that could not be used, with the reason. */
function refusedBefore(call) {
  const refused = callsOf(call.i).filter((each) => each.role === call.role && each.sample === call.sample && each.refusal && each.attempt < call.attempt);
  if (!refused.length) return null;
  const items = refused.map((each) => h("div", { class: "refused" }, h("p", { class: "small" }, `Attempt ${each.attempt} was not used: ${each.refusal}`), ...replyOf(each)));
  return h("details", {}, h("summary", {}, `${refused.length === 1 ? "A reply" : `${refused.length} replies`} before it could not be used`), ...items);
}

function saidOf(candidate) {
  if (!run.core.roles.length) return null;
  if (!run.texts) return h("p", { class: "mute small" }, "Texts are being read …");
  const call = callOf(candidate);
  if (!call) return h("p", { class: "mute small" }, "The log holds no reply for it.");
  return h("div", { class: "reply" }, refusedBefore(call), ...replyOf(call), h("p", { class: "mute small" }, callWords(call)));
}

function candidateWords(candidate, other) {
  if (candidate.failure) return `failed: ${candidate.failure}`;
  if (other && isNumber(candidate.reward) && isNumber(other.reward)) {
    const change = candidate.reward - other.reward;
    const many = edits(candidate, other);
    const against = `${change > 0 ? "+" : ""}${number(change)} against the ${other.stage.replaceAll("_", " ")}`;
    return many ? `${against}; ${many} of ${candidate.params.length} parameters edited` : "the same policy as the proposal";
  }
  return candidate.returns ? `mean of ${plural(candidate.returns.length, "rollout")}` : "the log holds no returns";
}

function candidateBody(candidate, width) {
  const other = comparedWith(candidate);
  const trace = candidate.trace ? h("details", {}, h("summary", {}, "What went wrong"), h("pre", {}, ...shown(candidate.trace))) : null;
  return [
    h("p", { class: "mute small" }, candidateWords(candidate, other)),
    candidate.source != null ? lineageOf(candidate) : null,
    trace,
    returnsFigure(candidate, width),
    parametersOf(candidate, other),
    sourceOf(candidate, width),
    candidate.params || candidate.source != null ? null : h("p", { class: "mute small" }, "The log does not hold this policy."),
    saidOf(candidate),
  ];
}

function headingOf(candidate) {
  return [title(candidate.stage), h("span", { class: "big" }, scoreOf(candidate)), candidate.kept ? h("span", { class: "pill" }, "kept") : null];
}

function candidateCard(candidate, many) {
  const wide = widthOf(find("#candidates"));
  const width = many || wide < 760 ? wide - 24 : wide / FEW - 24;
  const style = { "--stage": `var(${stageVariable(candidate.stage)})` };
  if (!many) return h("article", { class: "candidate", style }, h("h3", {}, ...headingOf(candidate)), ...candidateBody(candidate, width));
  const card = h("details", { class: "candidate one-of-many", style, open: candidate.kept }, h("summary", {}, h("h3", {}, ...headingOf(candidate))));
  const fill = () => { if (card.open && card.children.length === 1) card.append(...candidateBody(candidate, width).filter(Boolean)); };
  card.addEventListener("toggle", fill);
  fill();
  return card;
}

function drawDetail() {
  const each = iteration();
  const box = find("#candidates");
  if (!each) {
    say(find("#iteration-heading"), "No iteration yet");
    put(box, h("p", { class: "mute" }, "The log holds no complete iteration."));
    return;
  }
  const tried = here();
  const many = tried.length > FEW;
  say(find("#iteration-heading"), `Iteration ${each.n}`);
  const words = [
    isNumber(each.reward) ? "" : "no policy worked",
    each.is_best ? "better than all before" : "",
    each.llm_s == null ? "" : `replies took ${seconds(each.llm_s)}`,
    each.rollout_s == null ? "" : `rollouts ${seconds(each.rollout_s)}`,
    `${count(each.episodes)} episodes so far`,
  ];
  say(find("#iteration-words"), words.filter(Boolean).join(" · "));
  put(find("#iteration-notes"), ...(each.notes || []).map((note) => h("li", {}, note)));
  box.className = many ? "" : "two";
  put(box, ...tried.map((candidate) => candidateCard(candidate, many)));
}

view(drawDetail, null, true);
