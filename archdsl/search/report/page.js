"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const specs = new Map(data.specs);
  const NS = "http://www.w3.org/2000/svg";
  const tip = document.getElementById("tip");
  const COUNTS = ["params", "flops"];

  // --- elements: text is always set as text ---
  function html(tag, attributes = {}, ...inside) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  }
  function svg(tag, attributes = {}, text) {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // --- numbers ---
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
  const whole = new Intl.NumberFormat("en");
  const UNITS = [["T", 1e12], ["G", 1e9], ["M", 1e6], ["K", 1e3]];
  function shown(value, counted) {
    return value === null ? "none" : counted ? whole.format(value) : number.format(value);
  }
  function tick(value, step) {
    const [unit, size] = Math.abs(value) >= 1e4 ? UNITS.find((each) => Math.abs(value) >= each[1]) : ["", 1];
    const digits = Math.max(0, Math.min(12, -Math.floor(Math.log10(step / size) + 1e-9)));
    return `${Number((value / size).toFixed(digits))}${unit}`;
  }
  function ticks(low, high, wanted) {
    const rough = (high - low) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
    const found = [];
    for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) found.push(at * step);
    return { found, step };
  }
  function extent(values) {
    let low = Infinity, high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) return [0, 1];
    const room = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
    return [low - room, high + room];
  }
  function scale([low, high], from, to) {
    return (value) => from + ((value - low) / (high - low)) * (to - from);
  }

  // --- what can be measured along an axis: objectives, then counts that are no objective ---
  const measures = [
    ...data.objectives.map((objective, at) => ({
      name: objective.name,
      label: objective.name + (objective.unit ? ` (${objective.unit})` : ""),
      counted: COUNTS.includes(objective.name),
      better: objective.direction,
      of: (trial) => trial.values[at],
    })),
    ...COUNTS.filter((name) => !data.objectives.some((objective) => objective.name === name)).map((name) => ({
      name, label: name, counted: true, better: "minimize", of: (trial) => trial[name],
    })),
  ];
  const ofModel = (measure, model) => (COUNTS.includes(measure.name) ? model[measure.name] : null);

  // --- told of a trial ---
  function facts(trial) {
    return measures.map((measure) => `${measure.name} ${shown(measure.of(trial), measure.counted)}`).join(", ");
  }
  function about(trial) {
    const text = specs.get(trial.index);
    const inside = [html("strong", {}, trial.name), html("div", {}, facts(trial))];
    if (text) inside.push(html("pre", {}, text));
    else if (trial.kind === "base") inside.push(html("div", {}, "the base"));
    else inside.push(html("pre", {}, trial.differs.join("\n") || "as the base"));
    return inside;
  }
  function aboutModel(model) {
    return [
      html("strong", {}, model.name),
      html("div", {}, `params ${whole.format(model.params)}, flops ${whole.format(model.flops)}`),
      html("div", {}, "published; counted, not measured here"),
      html("pre", {}, model.expected.map((line) => `expect ${line}`).join("\n")),
    ];
  }
  function showTip(inside, x, y) {
    tip.replaceChildren(...inside);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 14 + box.width > innerWidth ? x - 14 - box.width : x + 14;
    tip.style.left = `${Math.max(8, Math.min(left, innerWidth - box.width - 8))}px`;
    tip.style.top = `${Math.max(8, Math.min(y + 14, innerHeight - box.height - 8))}px`;
  }
  function hideTip() { tip.hidden = true; }
  addEventListener("scroll", hideTip, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });

  const panel = document.getElementById("chosen");
  let pinned = null;
  function pin(trial) {
    pinned = trial;
    const text = specs.get(trial.index);
    const inside = [html("h3", {}, trial.name), html("p", {}, facts(trial))];
    if (trial.kind === "base") inside.push(html("p", { class: "quiet" }, "This is the base: what the space starts from."));
    else if (trial.differs.length) {
      inside.push(html("p", { class: "quiet" }, `It differs from the base in ${trial.differs.length} of the decisions.`));
    }
    if (text) {
      const copy = html("button", { type: "button" }, "Copy the spec");
      copy.addEventListener("click", () => {
        navigator.clipboard?.writeText(text).then(() => { copy.textContent = "Copied"; }, () => { copy.textContent = "Not allowed here"; });
      });
      inside.push(copy, html("pre", { tabindex: "0", "aria-label": `spec ${trial.name}` }, text));
    } else if (trial.kind !== "base") inside.push(html("pre", { tabindex: "0" }, trial.differs.join("\n")));
    panel.replaceChildren(...inside);
  }

  // --- marks: shape and colour both tell the kind ---
  const ORDER = ["other", "published", "front", "base"];
  function mark(kind, x, y, size = 5) {
    const fill = `var(--${kind})`;
    if (kind === "base") {
      const r = size + 2;
      return svg("path", { d: `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z`, fill });
    }
    if (kind === "published") return svg("rect", { x: x - size, y: y - size, width: 2 * size, height: 2 * size, fill });
    return svg("circle", { cx: x, cy: y, r: kind === "other" ? size - 2 : size, fill });
  }
  function legend(place, kinds) {
    const words = {
      front: data.objectives.length > 1 ? "front" : "best", base: "base", published: "published, counted only", other: "other trials", lost: "failed or pruned",
    };
    place.replaceChildren(...kinds.map((kind) => {
      const key = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
      key.append(kind === "lost" ? cross(8, 8) : mark(kind, 8, 8));
      return html("li", {}, key, words[kind]);
    }));
  }
  function cross(x, y) {
    return svg("path", { d: `M${x - 3} ${y - 3}l6 6m0-6l-6 6`, stroke: "var(--lost)", "stroke-width": 1.5, fill: "none" });
  }

  // --- axes ---
  function plane(place, label, height) {
    const width = Math.max(280, Math.round(place.clientWidth || 600));
    const tall = width < 480 ? Math.round(height * 0.8) : height;
    const root = svg("svg", { viewBox: `0 0 ${width} ${tall}`, role: "group", "aria-label": label });
    place.replaceChildren(root);
    return { root, width, height: tall, left: 56, right: width - 12, top: 22, bottom: tall - 40 };
  }
  function axes(chart, x, y, xLabel, yLabel) {
    const horizontal = ticks(x.domain[0], x.domain[1], chart.width < 480 ? 4 : 7);
    for (const value of horizontal.found) {
      const at = x.to(value);
      chart.root.append(svg("line", { class: "grid", x1: at, x2: at, y1: chart.top, y2: chart.bottom }));
      chart.root.append(svg("text", { x: at, y: chart.bottom + 16, "text-anchor": "middle" }, tick(value, horizontal.step)));
    }
    const vertical = ticks(y.domain[0], y.domain[1], 5);
    for (const value of vertical.found) {
      const at = y.to(value);
      chart.root.append(svg("line", { class: "grid", x1: chart.left, x2: chart.right, y1: at, y2: at }));
      chart.root.append(svg("text", { x: chart.left - 7, y: at + 4, "text-anchor": "end" }, tick(value, vertical.step)));
    }
    chart.root.append(svg("text", { class: "title", x: chart.right, y: chart.bottom + 33, "text-anchor": "end" }, xLabel));
    chart.root.append(svg("text", { class: "title", x: 0, y: 12 }, yLabel));
  }
  const told = (measure) => `${measure.label}, ${measure.better === "maximize" ? "more" : "less"} is better`;

  // one mark of a chart can be reached with Tab, the others from it with the arrow keys
  function reachable(root, marks) {
    const ring = svg("circle", { class: "ring", r: 10, visibility: "hidden" });
    root.append(ring);
    const sorted = [...marks].sort((a, b) => a.x - b.x || a.y - b.y);
    sorted.forEach((entry, at) => {
      const { element } = entry;
      element.setAttribute("class", "mark");
      element.setAttribute("tabindex", at === 0 ? "0" : "-1");
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", entry.label);
      element.addEventListener("pointerenter", (event) => showTip(entry.inside(), event.clientX, event.clientY));
      element.addEventListener("pointerleave", hideTip);
      element.addEventListener("click", () => { entry.choose?.(); });
      element.addEventListener("focus", () => {
        for (const other of sorted) other.element.setAttribute("tabindex", other === entry ? "0" : "-1");
        ring.setAttribute("cx", entry.x);
        ring.setAttribute("cy", entry.y);
        ring.setAttribute("visibility", "visible");
        const box = element.getBoundingClientRect();
        if (element.matches(":focus-visible")) showTip(entry.inside(), box.right, box.bottom);
      });
      element.addEventListener("blur", () => { ring.setAttribute("visibility", "hidden"); hideTip(); });
      element.addEventListener("keydown", (event) => {
        const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: sorted.length - 1 }[event.key];
        if (to !== undefined) {
          event.preventDefault();
          sorted[Math.max(0, Math.min(sorted.length - 1, to))].element.focus();
        } else if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          entry.choose?.();
        }
      });
    });
  }

  function choice(select, options, at, redraw) {
    select.replaceChildren(...options.map((option, index) => html("option", { value: index }, option.label)));
    select.value = at;
    select.addEventListener("change", redraw);
  }
  const byId = (id) => document.getElementById(id);

  // --- the front ---
  function front() {
    const x = measures[byId("front-x").value], y = measures[byId("front-y").value];
    const chart = plane(byId("front-chart"), `Trials by ${x.name} and ${y.name}`, 380);
    const points = data.trials
      .map((trial) => ({ kind: trial.kind, trial, at: [x.of(trial), y.of(trial)], label: `${trial.name}, ${trial.kind}: ${facts(trial)}` }))
      .concat(data.published.map((model) => ({ kind: "published", model, at: [ofModel(x, model), ofModel(y, model)], label: `${model.name}, published` })))
      .filter((point) => point.at[0] !== null && point.at[1] !== null);
    const across = { domain: extent(points.map((point) => point.at[0])) };
    const up = { domain: extent(points.map((point) => point.at[1])) };
    across.to = scale(across.domain, chart.left, chart.right);
    up.to = scale(up.domain, chart.bottom, chart.top);
    axes(chart, across, up, told(x), told(y));
    edge(chart, points, x, y, across, up);
    points.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
    const marks = points.map((point) => {
      const place = { x: across.to(point.at[0]), y: up.to(point.at[1]) };
      const element = mark(point.kind, place.x, place.y);
      chart.root.append(element);
      return {
        ...place, element, label: point.label, kind: point.kind,
        inside: () => (point.trial ? about(point.trial) : aboutModel(point.model)),
        choose: point.trial && (() => pin(point.trial)),
      };
    });
    // the arrow keys go along what is in the table; a hover reaches every trial
    reachable(chart.root, marks.filter((entry) => entry.kind !== "other"));
    for (const entry of marks.filter((each) => each.kind === "other")) {
      entry.element.setAttribute("class", "mark");
      entry.element.addEventListener("pointerenter", (event) => showTip(entry.inside(), event.clientX, event.clientY));
      entry.element.addEventListener("pointerleave", hideTip);
      entry.element.addEventListener("click", entry.choose);
    }
    legend(byId("front-legend"), ["front", "base", "published", "other"].filter((kind) => points.some((point) => point.kind === kind)));
  }
  // the edge of what was reached, where the two axes are all there is to compare
  function edge(chart, points, x, y, across, up) {
    const names = data.objectives.map((objective) => objective.name);
    if (names.length !== 2 || !names.includes(x.name) || !names.includes(y.name) || x === y) return;
    const sign = x.better === "maximize" ? -1 : 1, other = y.better === "maximize" ? -1 : 1;
    const sorted = points.filter((point) => point.trial).map((point) => point.at).sort((a, b) => sign * (a[0] - b[0]) || other * (a[1] - b[1]));
    const steps = [];
    let best = Infinity;
    for (const at of sorted) {
      if (other * at[1] < best) { best = other * at[1]; steps.push(at); }
    }
    if (steps.length < 2) return;
    const parts = steps.map(([a, b], index) => (index ? `H${across.to(a)}V${up.to(b)}` : `M${across.to(a)} ${up.to(b)}`));
    chart.root.append(svg("path", { class: "edge", d: parts.join("") }));
  }

  // --- the history ---
  function history() {
    const at = Number(byId("history-of").value);
    const measure = measures[at];
    const chart = plane(byId("history-chart"), `${measure.name} by trial`, 280);
    const seen = data.trials.filter((trial) => measure.of(trial) !== null);
    const across = { domain: [0, Math.max(1, data.ended)] };
    const up = { domain: extent(seen.map(measure.of)) };
    across.to = scale(across.domain, chart.left, chart.right);
    up.to = scale(up.domain, chart.bottom, chart.top);
    axes(chart, across, up, "trial", told(measure));
    for (const index of data.lost) chart.root.append(cross(across.to(index), chart.bottom - 5));
    const steps = data.best[at].filter((step) => step[1] !== null);
    if (steps.length) {
      const parts = steps.map(([index, value], nth) => (nth ? `H${across.to(index)}V${up.to(value)}` : `M${across.to(index)} ${up.to(value)}`));
      chart.root.append(svg("path", { class: "step", d: `${parts.join("")}H${across.to(data.ended)}` }));
    }
    const sorted = [...seen].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
    const marks = sorted.map((trial) => {
      const place = { x: across.to(trial.index), y: up.to(measure.of(trial)) };
      const element = mark(trial.kind, place.x, place.y, trial.kind === "other" ? 5 : 4);
      chart.root.append(element);
      return { ...place, element, label: `${trial.name}: ${facts(trial)}`, inside: () => about(trial), choose: () => pin(trial) };
    });
    reachable(chart.root, marks);
    const kinds = ["front", "base", "other"].filter((kind) => seen.some((trial) => trial.kind === kind));
    legend(byId("history-legend"), data.lost.length ? [...kinds, "lost"] : kinds);
  }

  // --- parallel coordinates ---
  function parallel() {
    const place = byId("parallel-chart");
    const colored = measures[byId("parallel-color").value];
    const only = byId("parallel-show").value;
    const dimensions = [
      ...data.decisions.map((decision, at) => ({
        name: decision.path, labels: decision.labels, of: (trial) => trial.point[at], domain: [0, Math.max(1, decision.labels.length - 1)],
      })).filter((each) => new Set(data.trials.map(each.of)).size > 1),
      ...[...measures].reverse().map((measure) => ({ name: measure.name, of: measure.of, measure, domain: extent(data.trials.map(measure.of).filter((value) => value !== null)) })),
    ];
    const gap = 92, margin = 46, height = 340, top = 62, bottom = height - 20;
    const width = Math.max(place.clientWidth || 600, margin * 2 + gap * (dimensions.length - 1));
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Decisions and measures of each trial; the table and the specs say the same" });
    root.style.width = `${width}px`;
    place.replaceChildren(root);
    const step = dimensions.length > 1 ? (width - margin * 2) / (dimensions.length - 1) : 0;
    const lines = svg("g");
    root.append(lines);
    dimensions.forEach((each, at) => {
      const x = (each.x = margin + step * at);
      each.to = scale(each.domain, bottom, top);
      root.append(svg("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom }));
      const name = svg("text", { class: "title", x, y: at % 2 ? 16 : 34, "text-anchor": "middle" }, short(each.name, 22));
      name.append(svg("title", {}, each.name));
      root.append(name);
      const values = each.labels ? some(each.labels.length, 9) : ticks(each.domain[0], each.domain[1], 5).found;
      const unit = each.labels ? 1 : ticks(each.domain[0], each.domain[1], 5).step;
      for (const value of values) {
        const text = each.labels ? each.labels[value] : tick(value, unit);
        const last = at === dimensions.length - 1;
        const label = svg("text", { class: "label", x: x + (last ? -5 : 5), y: each.to(value) + 4, "text-anchor": last ? "end" : "start" }, short(text, 12));
        label.append(svg("title", {}, text));
        root.append(label);
      }
    });
    const range = extent(data.trials.map(colored.of).filter((value) => value !== null));
    const chosen = data.trials.filter((trial) => only === "all" || trial.kind !== "other");
    const ordered = [...chosen].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
    for (const trial of ordered) {
      const pieces = dimensions.map((each) => {
        const value = each.of(trial);
        return value === null ? null : `${each.x} ${each.to(value) + (each.labels ? apart(trial) : 0)}`;
      });
      // a decision that does not exist at a trial breaks its line
      let d = "", open = false;
      for (const piece of pieces) {
        if (piece === null) { open = false; continue; }
        d += `${open ? "L" : "M"}${piece}`;
        open = true;
      }
      const path = svg("path", { class: `path ${trial.kind}`, d });
      const share = colored.of(trial) === null ? 0 : (colored.of(trial) - range[0]) / (range[1] - range[0]);
      if (trial.kind !== "base") path.style.stroke = `color-mix(in oklab, var(--high) ${Math.round(share * 100)}%, var(--low))`;
      path.addEventListener("pointerenter", (event) => { path.classList.add("lit"); showTip(about(trial), event.clientX, event.clientY); });
      path.addEventListener("pointerleave", () => { path.classList.remove("lit"); hideTip(); });
      path.addEventListener("click", () => pin(trial));
      lines.append(path);
    }
  }
  // lines through one value lie beside each other, always in the same order
  function apart(trial) { return (((trial.index * 0.618034) % 1) - 0.5) * 14; }
  function short(text, most) { return text.length > most ? `${text.slice(0, most - 1)}…` : text; }
  function some(count, most) {
    const step = Math.ceil(count / most);
    return Array.from({ length: Math.ceil(count / step) }, (_, at) => at * step);
  }

  // --- all of it ---
  function draw() { hideTip(); front(); history(); parallel(); }
  if (data.trials.length) {
    const last = measures.length - 1;
    choice(byId("front-y"), measures, 0, front);
    choice(byId("front-x"), measures, data.objectives.length > 1 ? 1 : last, front);
    choice(byId("history-of"), measures.slice(0, data.objectives.length), 0, history);
    choice(byId("parallel-color"), measures, 0, parallel);
    byId("parallel-show").addEventListener("change", parallel);
    for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;
    draw();
    pin([...data.trials].sort((a, b) => b.knee - a.knee || (a.rank ?? Infinity) - (b.rank ?? Infinity) || a.index - b.index)[0]);
    let width = innerWidth, waiting = 0;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      clearTimeout(waiting);
      waiting = setTimeout(draw, 150);
    });
  }

  const theme = byId("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  function name() { theme.textContent = isDark() ? "Light" : "Dark"; }
  theme.hidden = false;
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; name(); });
  dark.addEventListener("change", name);
  name();
})();
