"use strict";
const $ = (id) => document.getElementById(id);
const element = (name, css, text) => {
  const made = document.createElement(name);
  if (css) made.className = css;
  // Texts of a model and of a run are set as text, never as HTML.
  if (text !== undefined) made.textContent = text;
  return made;
};
const percent = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(1) + " %");
const figure = (value) => (value === null ? "not a number" : Number(value.toPrecision(4)).toString());
const span = (seconds) => {
  if (seconds === null || seconds === undefined) return "";
  const minutes = Math.round(seconds / 60);
  return seconds < 90 ? Math.round(seconds) + " s" : minutes < 90 ? minutes + " min" : (minutes / 60).toFixed(1) + " h";
};
const names = { "af/reasoning_rate": "AF rate", "outcome/comply": "compliance" };

if ($("run")) watchRun($("run").dataset.run);
if ($("folder")) watchFolder();

function watchRun(run) {
  const query = new URLSearchParams({ run });
  const events = new EventSource("/events?" + query);
  const tell = (text) => {
    $("trouble").textContent = text;
    $("trouble").hidden = !text;
  };
  events.onerror = () => tell("The server does not answer; the page goes on when it does.");
  events.onopen = () => tell("");
  events.addEventListener("trouble", (e) => tell(JSON.parse(e.data)));
  events.addEventListener("state", (e) => {
    showState(JSON.parse(e.data));
    if (!pages) refresh();
  });
  events.addEventListener("pictures", (e) => {
    const open = [...document.querySelectorAll("#pictures details")].map((d) => d.open);
    // Charts that the server drew; whatever a run names in them is escaped there.
    $("pictures").innerHTML = JSON.parse(e.data);
    document.querySelectorAll("#pictures details").forEach((d, i) => (d.open = open[i] === true));
  });

  let pages = 0;
  let next = null;
  let asked = 0;
  let waiting = 0;
  const form = $("filter");
  form.addEventListener("submit", (e) => e.preventDefault());
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { pages = 0; refresh(); }, 200);
  });
  $("older").addEventListener("click", () => { pages++; load(next); });

  function refresh() { load(null); }

  async function load(before) {
    const number = ++asked;
    const wanted = new URLSearchParams(query);
    for (const [name, value] of new FormData(form)) if (value) wanted.set(name, value);
    if (before !== null) wanted.set("before", before);
    const response = await fetch("/transcripts?" + wanted).catch(() => null);
    if (!response || !response.ok || number !== asked) return;
    const page = await response.json();
    if (number !== asked) return;
    const open = new Set([...document.querySelectorAll(".transcript[open]")].map((d) => d.dataset.id));
    const items = page.found.map((t) => transcript(t, open.has(t.id)));
    if (before === null) $("transcripts").replaceChildren(...items);
    else $("transcripts").append(...items);
    next = page.next;
    $("older").hidden = next === null;
    const shown = $("transcripts").childElementCount;
    $("found").textContent = `${shown} shown, newest first; ${page.looked_at.toLocaleString("en")} transcripts looked at`
      + (next !== null && page.found.length === 0 ? ": none of these fits, go on with “older”" : "");
  }
}

function showState(state) {
  const step = state.step === null ? "" : `, step ${state.step}` + (state.steps ? ` of ${state.steps}` : "");
  const left = state.seconds_left === null ? "" : `, about ${span(state.seconds_left)} left`;
  const figures = Object.entries(state.figures).map(([name, value]) => `${name} ${figure(value)}`).join(", ");
  $("stage").textContent = (state.stage ? `${state.stage}: ${state.status}${step}${left}` : "nothing was started yet")
    + (figures ? ` · ${figures}` : "") + (state.updated ? ` · written ${new Date(state.updated).toLocaleString()}` : "");
  document.title = `${state.name}${step}`;
  $("progress").hidden = !state.steps;
  if (state.steps) $("progress").value = state.step / state.steps;
  list($("alarms"), state.alarms);
  list($("warnings"), state.warnings);
  $("rates").replaceChildren(...state.rates.map((rate) => {
    const tile = element("div", "tile");
    tile.append(element("span", "", `${names[rate.metric] ?? rate.metric}, ${rate.tier}`), element("b", "", percent(rate.value)),
      element("span", "", rate.lo === null ? `n = ${rate.n}, step ${rate.step}` : `${percent(rate.lo)} to ${percent(rate.hi)}, n = ${rate.n}, step ${rate.step}`));
    return tile;
  }));
  const detectors = document.querySelector("#filter [name=detector]");
  const known = new Set([...detectors.options].map((o) => o.value));
  for (const name of state.detectors) if (!known.has(name)) detectors.append(element("option", "", name));
}

function list(place, texts) {
  place.hidden = texts.length === 0;
  place.querySelector("ul").replaceChildren(...texts.map((t) => element("li", "", t)));
}

function transcript(t, open) {
  const details = element("details", "transcript");
  details.dataset.id = t.id;
  details.open = open;
  const summary = element("summary");
  for (const chip of [`${t.stage} ${t.step}`, t.split, t.tier]) summary.append(element("span", "chip", chip));
  for (const label of t.labels) summary.append(element("span", label.af ? "chip af" : "chip", `${label.detector}: ${label.outcome}${label.af ? ", AF" : ""}`));
  if (t.reward !== null) summary.append(element("span", "chip", `reward ${figure(t.reward)}`));
  summary.append(element("span", "preview", t.user.slice(0, 90)));
  details.append(summary);
  const part = (title, text) => { if (text) details.append(element("h4", "", title), element("pre", "", text)); };
  part("request " + t.query, t.user);
  if (t.problem) part("answer, " + t.problem, t.answer);
  else {
    part("scratchpad", t.reasoning);
    part("output", t.output ?? t.answer);
  }
  return details;
}

function watchFolder() {
  const events = new EventSource("/events");
  events.addEventListener("runs", (e) => {
    const runs = JSON.parse(e.data);
    $("runs").replaceChildren(...runs.flatMap((run, i) => {
      const row = element("tr");
      // Runs of a group differ by their seed alone; its head says what the group differs in from the others.
      const head = element("tr", "group");
      const title = element("th", "", run.group);
      title.colSpan = 10;
      head.append(title);
      const rows = i === 0 || runs[i - 1].group !== run.group ? [head, row] : [row];
      const name = element("td", "name");
      const link = element("a", "", run.name);
      link.href = "/run/" + encodeURIComponent(run.name);
      name.append(link);
      row.append(name, element("td", "number", run.seed === null ? "–" : String(run.seed)));
      if (run.trouble) {
        const cell = element("td", "status", run.trouble);
        cell.colSpan = 8;
        row.append(cell);
        return rows;
      }
      const rate = (metric, tier) => percent(run.rates.find((r) => r.metric === metric && r.tier === tier)?.value);
      row.append(element("td", "", run.stage ? `${run.stage} (${run.status})` : "–"));
      for (const text of [
        run.step === null ? "–" : run.steps ? `${run.step} of ${run.steps}` : String(run.step),
        span(run.seconds_left) || "–",
        rate("af/reasoning_rate", "training"), rate("af/reasoning_rate", "unmonitored"),
        rate("outcome/comply", "training"), rate("outcome/comply", "unmonitored"),
        String(run.alarms.length),
      ]) row.append(element("td", "number", text));
      return rows;
    }));
  });
}
