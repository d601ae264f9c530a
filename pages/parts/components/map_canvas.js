// The map on a canvas: points are written as pixels, so 100,000 of them cost a few milliseconds.

const GRID = 65535;
const CLICK = 4; // px: a shorter way of the pointer is a click
const REACH = 12; // px around a click in which a point is found
const LEAST = 0.8;
const MOST = 200;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const map = kept(parentElement, build);
  map.report = setTriggerValue;
  map.show(unpack(data));
}

function build(host) {
  const root = host.querySelector(".root");
  const tools = element("div", "tools", root);
  const around = tool("around");
  const pan = tool("move");
  const all = tool("all");
  const legend = element("div", "legend", tools);
  const stage = element("div", "stage", root);
  const under = element("canvas", "", stage);
  const over = element("canvas", "over", stage);
  over.tabIndex = 0;
  over.setAttribute("role", "application");
  const self = { report: () => {}, show };

  let head = null;
  let x = null;
  let y = null;
  let colour = null;
  let scale = 1; // 1: all points are in sight
  let centre = [GRID / 2, GRID / 2];
  let path = []; // the area drawn, in the grid's units
  let moving = false;
  let frame = 0;

  function tool(name) {
    const made = element("button", "", tools);
    made.type = "button";
    made.dataset.name = name;
    return made;
  }

  function show({ head: newHead, parts }) {
    head = newHead;
    const before = x;
    x = new Uint16Array(parts[0].buffer);
    const samePoints = before?.length === x.length && before.every((value, i) => value === x[i]);
    if (!samePoints) path = []; // an area of another map means nothing on this one
    y = new Uint16Array(parts[1].buffer);
    colour = parts[2];
    stage.style.height = `${head.height}px`;
    for (const button of [around, pan, all]) button.textContent = head.texts[button.dataset.name];
    over.setAttribute("aria-label", head.texts.label);
    choose(moving);
    drawLegend();
    redraw();
  }

  function choose(move) {
    moving = move;
    around.setAttribute("aria-pressed", String(!move));
    pan.setAttribute("aria-pressed", String(move));
    over.classList.toggle("moving", move);
  }

  function drawLegend() {
    legend.replaceChildren();
    if (head.texts.ticks?.length) {
      const bar = element("div", "scale", legend);
      element("div", "", bar).style.background = `linear-gradient(to right, ${head.palette.join(",")})`;
      for (const [at, words] of head.texts.ticks) {
        const tick = element("span", "", bar);
        tick.textContent = words;
        tick.style.left = `${100 * at}%`;
        tick.style.transform = `translateX(${-100 * at}%)`;
      }
      return;
    }
    (head.texts.legend ?? []).forEach((words, i) => {
      const item = element("span", "", legend);
      element("i", "", item).style.background = head.palette[i];
      item.append(words);
    });
  }

  function size() {
    return [stage.clientWidth || 800, stage.clientHeight || 500];
  }

  /** Pixels for a unit of the grid, and the grid's point in the upper left corner (its y grows upwards). */
  function view() {
    const [w, h] = size();
    const unit = ((Math.min(w, h) * 0.94) / GRID) * scale;
    return { unit, left: centre[0] - w / 2 / unit, top: centre[1] + h / 2 / unit };
  }

  function toGrid(px, py) {
    const { unit, left, top } = view();
    return [left + px / unit, top - py / unit];
  }

  function redraw() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      drawPoints();
      drawPath();
    });
  }

  function drawPoints() {
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = size().map((side) => Math.round(side * ratio));
    if (under.width !== w || under.height !== h) Object.assign(under, { width: w, height: h });
    const context = under.getContext("2d");
    const image = context.createImageData(w, h);
    const pixels = new Uint32Array(image.data.buffer);
    const palette = Uint32Array.from(head.palette, (hex) => {
      const rgb = parseInt(hex.slice(1), 16);
      return (0xff000000 | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
    });
    const { unit, left, top } = view();
    const u = unit * ratio;
    const dot = Math.max(1, Math.round(ratio * (x.length > 30000 ? 1 : 1.5) * Math.min(3, Math.sqrt(scale))));
    for (let i = 0; i < x.length; i += 1) {
      const px = Math.round((x[i] - left) * u);
      const py = Math.round((top - y[i]) * u);
      if (px < dot || py < dot || px >= w - dot || py >= h - dot) continue;
      const fillWith = palette[colour[i]];
      for (let dy = -dot; dy <= dot; dy += 1) {
        const row = (py + dy) * w + px;
        // A disc, not a square: corners of larger dots are left out.
        const reach = dot > 1 && Math.abs(dy) === dot ? dot - 1 : dot;
        for (let dx = -reach; dx <= reach; dx += 1) pixels[row + dx] = fillWith;
      }
    }
    context.putImageData(image, 0, 0);
  }

  function drawPath() {
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = size();
    Object.assign(over, { width: w * ratio, height: h * ratio });
    if (path.length < 2) return;
    const context = over.getContext("2d");
    context.scale(ratio, ratio);
    const { unit, left, top } = view();
    context.beginPath();
    for (const [gx, gy] of path) context.lineTo((gx - left) * unit, (top - gy) * unit);
    context.closePath();
    const primary = themeColour(root, "--primary", "#0072b2");
    context.strokeStyle = primary;
    context.lineWidth = 2;
    context.stroke();
    context.globalAlpha = 0.1;
    context.fillStyle = primary;
    context.fill();
  }

  function nearest(px, py) {
    const { unit, left, top } = view();
    let found = -1;
    let least = REACH * REACH;
    for (let i = 0; i < x.length; i += 1) {
      const dx = (x[i] - left) * unit - px;
      const dy = (top - y[i]) * unit - py;
      const away = dx * dx + dy * dy;
      if (away < least) {
        least = away;
        found = i;
      }
    }
    return found;
  }

  function zoomBy(factor, px, py) {
    const [w, h] = size();
    const before = toGrid(px ?? w / 2, py ?? h / 2);
    scale = Math.min(MOST, Math.max(LEAST, scale * factor));
    const after = toGrid(px ?? w / 2, py ?? h / 2);
    centre = [centre[0] + before[0] - after[0], centre[1] + before[1] - after[1]];
    redraw();
  }

  function shift(dx, dy) {
    const { unit } = view();
    centre = [centre[0] - dx / unit, centre[1] + dy / unit];
    redraw();
  }

  function showAll() {
    scale = 1;
    centre = [GRID / 2, GRID / 2];
    redraw();
  }

  let pointer = null;
  over.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    const at = [event.offsetX, event.offsetY];
    pointer = { start: at, last: at, way: 0, moves: moving || event.shiftKey || event.button === 1 };
    over.setPointerCapture(event.pointerId);
    if (!pointer.moves) path = [toGrid(...at)];
  });
  over.addEventListener("pointermove", (event) => {
    if (event.buttons === 0) pointer = null; // let go outside of the window
    if (!pointer) return;
    const at = [event.offsetX, event.offsetY];
    pointer.way += Math.hypot(at[0] - pointer.last[0], at[1] - pointer.last[1]);
    if (pointer.moves) shift(at[0] - pointer.last[0], at[1] - pointer.last[1]);
    else {
      path.push(toGrid(...at));
      drawPath();
    }
    pointer.last = at;
  });
  over.addEventListener("pointerup", () => {
    if (!pointer) return;
    const { start, way, moves } = pointer;
    pointer = null;
    if (way <= CLICK) {
      path = [];
      drawPath();
      const found = nearest(...start);
      if (found >= 0) self.report("clicked", found);
    } else if (!moves) {
      self.report("polygon", path.map(([gx, gy]) => [Math.round(gx), Math.round(gy)]));
    }
  });
  over.addEventListener("pointercancel", () => (pointer = null));
  over.addEventListener(
    "wheel",
    (event) => {
      if (event.deltaY > 0 ? scale <= LEAST : scale >= MOST) return; // at the end of the zoom the page scrolls
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
    },
    { passive: false },
  );
  over.addEventListener("dblclick", showAll);
  over.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), 0: showAll,
      ArrowLeft: () => shift(60, 0), ArrowRight: () => shift(-60, 0), ArrowUp: () => shift(0, 60), ArrowDown: () => shift(0, -60),
    };
    if (!(event.key in keys)) return;
    keys[event.key]();
    event.preventDefault();
    event.stopPropagation();
  });
  around.addEventListener("click", () => choose(false));
  pan.addEventListener("click", () => choose(true));
  all.addEventListener("click", showAll);
  new ResizeObserver(() => head && redraw()).observe(stage);
  return self;
}
