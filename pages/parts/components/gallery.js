// The gallery: absolute cells in a scrolling box; only the rows in sight exist.

const GAP = 8;
const SPARE_ROWS = 2;
const BATCH = 120;
const places = (window.__dn2Places ??= new Map()); // key of a gallery -> where it was scrolled to, and in which list

export default function (component) {
  const { data, parentElement, setTriggerValue, key } = component;
  const gallery = kept(parentElement, build);
  gallery.open = (id) => setTriggerValue("open", id);
  gallery.press = (presses) => setTriggerValue("pressed", presses);
  gallery.show(unpack(data), key);
  return () => gallery.rest();
}

function build(host) {
  const root = host.querySelector(".root");
  const holder = element("div", "holder", root);
  const box = element("div", "box", holder);
  const sheet = element("div", "sheet", box);
  const retry = element("button", "retry", holder);
  retry.hidden = true;
  box.tabIndex = 0;
  box.setAttribute("role", "listbox");

  const cells = new Map(); // position -> element
  let list = { ids: [], tones: [], captions: [], details: [], marks: [] };
  let head = {};
  let name = "";
  let active = 0;
  let columns = 1;
  let width = 0;
  let rowHeight = 0;
  let loading = null;
  let failures = 0;
  let drawing = 0;
  let presses = []; // the last keys, [time, key, id]: one that is pressed while the page runs must not be lost

  const self = { open: () => {}, press: () => {}, show, rest };

  function show({ head: newHead, parts }, key) {
    const ids = new Float64Array(parts[0].buffer);
    const sameList = ids.length === list.ids.length && ids.every((id, i) => id === list.ids[i]);
    const first = !head.url;
    if (newHead.url !== head.url) {
      failures = 0;
      retry.hidden = true;
    }
    head = newHead;
    name = String(key ?? "");
    list = {
      ids,
      tones: parts[1],
      captions: textLines(parts[2], ids.length),
      details: textLines(parts[3], ids.length),
      marks: textLines(parts[4], ids.length),
    };
    box.setAttribute("aria-label", head.texts.label);
    retry.textContent = head.texts.retry;
    if (!sameList) active = Math.max(0, ids.indexOf(head.selected ?? -1));
    clear();
    measure();
    const place = places.get(name);
    if (first && place && place.first === ids[0] && place.count === ids.length) box.scrollTop = place.top;
    else if (!sameList && !first) box.scrollTop = 0;
    const returning = first && head.selected != null && ids.includes(head.selected);
    if (returning) reveal(active);
    draw();
    // Back from an opened picture: the keys go on where they were.
    if (returning && document.activeElement === document.body) box.focus({ preventScroll: true });
  }

  function rest() {
    cancelAnimationFrame(drawing);
    loading?.abort();
    loading = null;
  }

  function measure() {
    const inner = Math.max(1, (box.clientWidth || root.clientWidth || 600) - 2 * GAP);
    columns = Math.max(1, Math.floor((inner + GAP) / (head.cell + GAP)));
    columns = Math.max(head.group, columns - (columns % head.group));
    const between = (columns / head.group - 1) * apart();
    // A short list keeps its cells at their size instead of blowing them up.
    width = Math.min(Math.floor((inner - between + GAP) / columns) - GAP, Math.round(head.cell * 1.5));
    const captioned = list.captions.some((caption) => caption);
    rowHeight = Math.round(width * 0.8) + (captioned ? 29 : 3) + GAP;
    const rows = Math.ceil(list.ids.length / columns);
    const needed = rows * rowHeight + GAP;
    sheet.style.height = `${needed}px`;
    box.style.height = `${Math.min(head.height, needed + 2)}px`;
  }

  function apart() {
    return head.group > 1 ? 3 * GAP : 0;
  }

  function clear() {
    for (const cell of cells.values()) cell.remove();
    cells.clear();
  }

  function inSight(spare) {
    const top = Math.floor((box.scrollTop - GAP) / rowHeight) - spare;
    const bottom = Math.ceil((box.scrollTop + box.clientHeight) / rowHeight) + spare;
    return [Math.max(0, top * columns), Math.min(list.ids.length, bottom * columns)];
  }

  function draw() {
    if (!rowHeight) return;
    const [from, to] = inSight(SPARE_ROWS);
    for (const [at, cell] of cells) {
      if (at < from || at >= to) {
        cell.remove();
        cells.delete(at);
      }
    }
    for (let at = from; at < to; at += 1) if (!cells.has(at)) cells.set(at, make(at));
    mark();
    load();
  }

  function make(at) {
    const tone = head.tones[list.tones[at]];
    const cell = element("div", `cell tone-${tone}`, sheet);
    cell.id = `cell-${at}`;
    cell.setAttribute("role", "option");
    cell.setAttribute("aria-setsize", list.ids.length);
    cell.setAttribute("aria-posinset", at + 1);
    const detail = list.details[at] ?? "";
    const text = list.captions[at] ?? "";
    const marked = list.marks[at] ?? "";
    cell.setAttribute("aria-label", [detail, text, marked].filter(Boolean).join(", "));
    cell.title = detail;
    const column = at % columns;
    cell.style.left = `${GAP + column * (width + GAP) + Math.floor(column / head.group) * apart()}px`;
    cell.style.top = `${GAP + Math.floor(at / columns) * rowHeight}px`;
    cell.style.width = `${width}px`;
    cell.style.height = `${rowHeight - GAP}px`;
    element("div", "frame", cell);
    if (marked) element("div", "mark", cell).textContent = marked;
    const caption = element("div", text ? "caption" : "caption empty", cell);
    if (text) {
      caption.append(symbol(tone));
      element("span", "", caption).textContent = text;
    }
    paint(cell, at);
    return cell;
  }

  function paint(cell, at) {
    const frame = cell.firstChild;
    const address = picture(head.url, list.ids[at]);
    if (address === undefined || frame.dataset.done) return;
    frame.dataset.done = "1";
    if (address) {
      const img = element("img", "", frame);
      img.alt = "";
      img.draggable = false;
      img.src = address;
    } else {
      frame.classList.add("missing");
      frame.textContent = head.texts.missing;
    }
  }

  async function load() {
    if (loading || failures > 2) return;
    // What is in sight comes before what may be soon.
    const [from, to] = inSight(0);
    const [before, after] = inSight(SPARE_ROWS);
    const wanted = [];
    const want = (at) => {
      if (wanted.length < BATCH && picture(head.url, list.ids[at]) === undefined) wanted.push(list.ids[at]);
    };
    for (let at = from; at < to; at += 1) want(at);
    for (let at = before; at < after; at += 1) if (at < from || at >= to) want(at);
    if (!wanted.length) return;
    const controller = (loading = new AbortController());
    try {
      await fetchPictures(head.url, wanted, controller.signal);
      failures = 0;
    } catch {
      if (controller.signal.aborted) return;
      failures += 1;
      await new Promise((resolve) => setTimeout(resolve, 400 * failures));
    }
    if (loading !== controller) return;
    loading = null;
    retry.hidden = failures <= 2;
    for (const [at, cell] of cells) paint(cell, at);
    load();
  }

  function mark() {
    for (const [at, cell] of cells) {
      cell.classList.toggle("active", at === active);
      const selected = list.ids[at] === head.selected;
      cell.classList.toggle("selected", selected);
      cell.setAttribute("aria-selected", String(selected));
    }
    if (cells.has(active)) box.setAttribute("aria-activedescendant", `cell-${active}`);
    else box.removeAttribute("aria-activedescendant");
  }

  function reveal(at) {
    const top = Math.floor(at / columns) * rowHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight + GAP > box.scrollTop + box.clientHeight) {
      box.scrollTop = top + rowHeight + GAP - box.clientHeight;
    }
  }

  function move(to) {
    active = Math.min(Math.max(to, 0), list.ids.length - 1);
    reveal(active);
    draw();
  }

  function open(at) {
    if (at < 0 || at >= list.ids.length) return;
    active = at;
    mark();
    remember();
    self.open(list.ids[at]);
  }

  function press(key) {
    if (!list.ids.length) return;
    const last = presses.length ? presses[presses.length - 1][0] : 0;
    presses = [...presses.slice(-49), [Math.max(Date.now(), last + 1), key, list.ids[active]]];
    self.press(presses);
    move(active + 1);
  }

  function remember() {
    places.set(name, { top: box.scrollTop, first: list.ids[0], count: list.ids.length });
  }

  box.addEventListener("scroll", () => {
    remember();
    cancelAnimationFrame(drawing);
    drawing = requestAnimationFrame(draw);
  });
  box.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (cell) open(Number(cell.id.slice(5)));
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(box.clientHeight / rowHeight)) * columns;
    const steps = {
      ArrowRight: active + 1, ArrowLeft: active - 1, ArrowDown: active + columns, ArrowUp: active - columns,
      PageDown: active + page, PageUp: active - page, Home: 0, End: list.ids.length - 1,
    };
    if (event.key in steps) move(steps[event.key]);
    else if (event.key === "Enter" || event.key === " ") open(active);
    else if (head.keys.includes(event.key.toUpperCase())) press(event.key.toUpperCase());
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  retry.addEventListener("click", () => {
    failures = 0;
    retry.hidden = true;
    load();
  });
  let wide = 0;
  new ResizeObserver(() => {
    if (!head.url || root.clientWidth === wide) return;
    wide = root.clientWidth;
    clear();
    measure();
    draw();
  }).observe(root);
  return self;
}
