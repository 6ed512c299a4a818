"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const place = "rlharness-labels/" + data.page;
// A browser that keeps nothing for files still labels; it only forgets when the page is closed.
const stored = (() => { try { return JSON.parse(localStorage.getItem(place)); } catch { return null; } })();
const labels = new Map(Object.entries(stored || {}));
const done = (key) => { const l = labels.get(key); return l && l.outcome && l.reasoning; };
let at = Math.max(0, data.items.findIndex((i) => !done(i.key)));
const $ = (id) => document.getElementById(id);

function show() {
  const item = data.items[at], label = labels.get(item.key) || {};
  $("request").textContent = item.request;
  $("scratchpad").textContent = item.scratchpad ?? "(none)";
  $("output").textContent = item.output ?? "(none that can be read)";
  $("format").textContent = item.format ? "Format: " + item.format : "";
  $("progress").textContent = `${at + 1} of ${data.items.length}; ${data.items.filter((i) => done(i.key)).length} labelled`;
  for (const button of document.querySelectorAll("[data-part]")) button.setAttribute("aria-pressed", label[button.dataset.part] === button.value);
}

function choose(part, value) {
  const key = data.items[at].key;
  labels.set(key, { ...labels.get(key), [part]: value });
  try { localStorage.setItem(place, JSON.stringify(Object.fromEntries(labels))); } catch { /* see above */ }
  if (part === "reasoning" && done(key) && at + 1 < data.items.length) at++;
  show();
}

function go(by) {
  at = Math.min(data.items.length - 1, Math.max(0, at + by));
  show();
}

function file() {
  const all = data.items.filter((i) => done(i.key)).map((i) => ({ key: i.key, outcome: labels.get(i.key).outcome, reasoning: labels.get(i.key).reasoning }));
  return JSON.stringify({ format: data.format, rater: data.rater, labels: all }, null, 1) + "\n";
}

for (const [part, choices, into] of [["outcome", data.outcomes, "outcomes"], ["reasoning", data.reasonings, "reasonings"]])
  for (const choice of choices) {
    const button = document.createElement("button");
    button.dataset.part = part;
    button.value = choice.value;
    button.textContent = `[${choice.key}] ${choice.words}`;
    button.addEventListener("click", () => choose(part, choice.value));
    $(into).append(button);
  }

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey) return;
  if (e.key === "ArrowLeft") return go(-1);
  if (e.key === "ArrowRight") return go(1);
  // The first letter of a transcript is the output's, the second the scratchpad's; one that is labelled begins anew.
  const label = labels.get(data.items[at].key) || {};
  const part = label.outcome && !label.reasoning ? "reasoning" : "outcome";
  const choice = (part === "outcome" ? data.outcomes : data.reasonings).find((c) => c.key === e.key.toLowerCase());
  if (!choice) return;
  if (part === "outcome" && label.reasoning) labels.set(data.items[at].key, {});
  choose(part, choice.value);
});
$("back").addEventListener("click", () => go(-1));
$("next").addEventListener("click", () => go(1));
$("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file()], { type: "application/json" }));
  link.download = `labels-${data.rater}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
});
show();
