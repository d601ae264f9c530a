// The slider for k: everything for every k is here, so the picture moves with the thumb.

const SEND_EVERY = 180; // ms between reports while the thumb moves
const ANSWER_WITHIN = 2500; // ms after which a report counts as lost, and the page's k again
const EDGE = { left: 46, right: 12, top: 26, bottom: 38 };
const THUMB = 8; // half a thumb: the track's ends lie that far inside

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const slider = kept(parentElement, build);
  slider.report = (k, n) => setTriggerValue("k", { k, n });
  slider.show(unpack(data));
}

function svgElement(tag, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(made, attributes);
  parent.append(made);
  return made;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

function build(host) {
  const root = host.querySelector(".root");
  const legend = element("div", "legend", root);
  const chart = svgElement("svg", { class: "chart", role: "img" }, root);
  const line = element("div", "line", root);
  const kWord = element("strong", "", line);
  const counts = element("span", "", line);
  const change = element("span", "quiet", line);
  const flipsWord = element("div", "quiet small", root);
  const flips = svgElement("svg", { class: "flips", role: "img" }, root);
  const track = element("div", "track", root);
  const input = element("input", "", track);
  const self = { report: () => {}, show };
  input.type = "range";
  input.min = 1;
  input.step = 1;
  line.setAttribute("aria-live", "polite");

  let head = null;
  let normals = null;
  let scored = null;
  let awaited = null; // { k, n, until }: the last report, which no run of the page has seen yet
  let reports = 0; // counts on from what the page has seen, should this have been built anew
  let timer = 0;

  function show({ head: newHead, parts }) {
    head = newHead;
    normals = new Uint32Array(parts[0].buffer);
    scored = new Uint32Array(parts[1].buffer);
    input.max = head.limits.length;
    input.setAttribute("aria-label", head.texts.label);
    reports = Math.max(reports, head.answered);
    if (awaited && (head.answered >= awaited.n || performance.now() > awaited.until)) awaited = null;
    for (const node of [legend, chart, counts, change]) node.style.display = head.counted ? "" : "none";
    if (!awaited && !timer) input.value = head.k;
    legend.replaceChildren();
    for (const [name, there] of [["normals", head.normals], ["scored", head.scored]]) {
      if (!there) continue;
      const item = element("span", "", legend);
      element("i", name === "normals" ? "normal" : "scored", item);
      item.append(head.texts[name]);
    }
    drawFlips();
    drawMarks();
    draw();
  }

  function draw() {
    const k = Number(input.value);
    const row = k - 1;
    const limit = head.limits[row];
    kWord.textContent = `k = ${k}`;
    input.setAttribute("aria-valuetext", `k = ${k}`);
    const number = (value) => local(value, 0);
    const parts = [fill(head.texts.limit, { limit: raw(limit) })];
    if (head.scored) {
      parts.unshift(fill(head.texts.flagged, { flagged: number(head.flagged[row]), n: number(head.scored) }));
      const [newly, back] = [head.newly[row], head.back[row]];
      change.textContent =
        k === head.kNow ? head.texts.now
        : newly + back === 0 ? head.texts.same
        : fill(head.texts.change, { n: number(newly + back), newly: number(newly), back: number(back) });
    }
    counts.textContent = parts.join(" · ");
    for (const bar of flips.querySelectorAll("rect")) bar.classList.toggle("here", Number(bar.dataset.k) === k);
    drawChart(k, limit);
  }

  function drawChart(k, limit) {
    const row = k - 1;
    const width = chart.clientWidth || 800;
    const height = 250;
    const [low, high] = head.ends[row];
    const across = width - EDGE.left - EDGE.right;
    const down = height - EDGE.top - EDGE.bottom;
    const x = (score) => EDGE.left + ((score - low) / (high - low)) * across;
    const groups = [["normal", normals, head.normals], ["scored", scored, head.scored]].filter(([, , n]) => n);
    const shares = groups.map(([, counted, n]) =>
      Array.from(counted.subarray(row * head.bins, (row + 1) * head.bins), (count) => (100 * count) / n),
    );
    const most = Math.max(1, ...shares.flat());
    const y = (share) => EDGE.top + down * (1 - share / most);
    chart.replaceChildren();
    set(chart, { viewBox: `0 0 ${width} ${height}`, "aria-label": fill(head.texts.axis, { k }) });
    for (const [share, words] of ticks(0, most, 4)) {
      svgElement("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(share), y2: y(share) }, chart);
      label(words, EDGE.left - 8, y(share) + 4, "end");
    }
    for (const [score, words] of ticks(low, high, Math.max(2, Math.floor(across / 130)))) {
      label(words, x(score), height - EDGE.bottom + 18, "middle");
    }
    label(fill(head.texts.axis, { k }), EDGE.left + across / 2, height - 3, "middle");
    label(head.texts.share, 0, 12, "start");
    const bar = across / head.bins;
    groups.forEach(([name], g) => {
      shares[g].forEach((share, i) => {
        if (!share) return;
        svgElement(
          "rect",
          { class: `bar-${name}`, x: EDGE.left + i * bar, width: Math.max(1, bar - 0.5), y: y(share), height: EDGE.top + down - y(share) },
          chart,
        );
      });
    });
    if (limit == null) return;
    const at = Math.min(Math.max(x(limit), EDGE.left), width - EDGE.right);
    svgElement("line", { class: "limit", x1: at, x2: at, y1: EDGE.top - 6, y2: EDGE.top + down }, chart);
    const text = svgElement("text", { class: "limit-label", y: EDGE.top - 10 }, chart);
    text.textContent = fill(head.texts.limit, { limit: raw(limit) });
    set(text, at > width - 140 ? { x: at, "text-anchor": "end" } : { x: at, "text-anchor": "middle" });
  }

  function label(text, x, y, anchor) {
    const node = svgElement("text", { class: "soft", x, y, "text-anchor": anchor }, chart);
    node.textContent = text;
  }

  /** How many verdicts change, a bar for each k, over the place of the thumb. */
  function drawFlips() {
    const width = flips.clientWidth || 800;
    const sums = head.newly.map((newly, i) => newly + head.back[i]);
    const most = Math.max(1, ...sums);
    flips.replaceChildren();
    const there = head.scored && head.counted;
    flips.style.display = there ? "" : "none";
    set(flips, { viewBox: `0 0 ${width} 34`, "aria-label": head.texts.flips });
    flipsWord.textContent = head.texts.flips;
    flipsWord.hidden = !there;
    const step = stepOf(width);
    sums.forEach((sum, i) => {
      const tall = sum ? 4 + (28 * sum) / most : 1.5;
      const wide = Math.max(2, Math.min(14, step * 0.6));
      const rect = svgElement("rect", { x: placeOf(i + 1, width) - wide / 2, width: wide, y: 33 - tall, height: tall, rx: 1 }, flips);
      rect.dataset.k = i + 1;
    });
  }

  function drawMarks() {
    for (const old of track.querySelectorAll("span")) old.remove();
    const width = track.clientWidth || 800;
    const last = head.limits.length;
    const marks = new Set([1, last]);
    for (let k = 10; k < last; k += 10) if (last - k > 2) marks.add(k);
    for (const k of [...marks].filter((one) => Math.abs(one - head.kNow) > 2)) mark(String(k), k, "quiet");
    mark(`${head.kNow} ${head.texts.now}`, head.kNow, "use");
    function mark(text, k, className) {
      const node = element("span", className, track);
      node.textContent = text;
      node.style.left = `${Math.max(placeOf(k, width), className === "use" ? 30 : 0)}px`;
    }
  }

  function stepOf(width) {
    return head.limits.length > 1 ? (width - 2 * THUMB) / (head.limits.length - 1) : 0;
  }

  function placeOf(k, width) {
    return THUMB + (k - 1) * stepOf(width);
  }

  function send() {
    timer = 0;
    const k = Number(input.value);
    if (k === (awaited ? awaited.k : head.k)) return;
    reports += 1;
    awaited = { k, n: reports, until: performance.now() + ANSWER_WITHIN };
    self.report(k, reports);
  }

  input.addEventListener("input", () => {
    draw();
    if (!timer) timer = setTimeout(send, SEND_EVERY);
  });
  input.addEventListener("change", () => {
    clearTimeout(timer);
    send();
  });
  input.addEventListener("keydown", (event) => {
    // The page has keys of its own; these ones move the thumb.
    if (/^(Arrow|Page|Home|End)/.test(event.key)) event.stopPropagation();
  });
  flips.addEventListener("click", (event) => {
    const width = flips.clientWidth;
    const step = stepOf(width);
    if (!step) return;
    input.value = Math.round((event.offsetX - THUMB) / step) + 1;
    draw();
    send();
  });
  new ResizeObserver(() => {
    if (!head) return;
    drawFlips();
    drawMarks();
    draw();
  }).observe(root);
  return self;
}

/** Round numbers between low and high, about `count` of them, each with its words. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * size).find((one) => one >= rough);
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9) || 0; i * step <= high + step * 1e-9; i += 1) {
    found.push([i * step, places > 6 ? (i * step).toPrecision(2) : local(i * step, places)]);
  }
  return found;
}

function local(value, places) {
  const language = document.documentElement.lang || undefined;
  return value.toLocaleString(language, { minimumFractionDigits: places, maximumFractionDigits: places });
}

/** A score with the digits that matter, as raw() in look.py writes it. */
function raw(value) {
  if (value == null) return "–";
  const size = Math.abs(value);
  if (size > 0 && size < 0.0005) return value.toPrecision(3);
  const places = size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4;
  return local(value, places);
}
