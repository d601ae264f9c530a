// Areas on a picture, in shares of its width and height. What is hatched is what nobody looks at.

const NEAR = 12; // px around a corner that count as that corner
const LEAST = 4; // px: nothing smaller is drawn
const LABEL = 48; // px: half of the longest label, about
const TWICE = 400; // ms between the two clicks of a double click
const STEP = 0.01; // of the picture, that an arrow key moves
const RESTS = 300; // ms without a key after which a stroke by keys has ended
const REMEMBERED = 100; // strokes that can be taken back
let boards = 0;

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const board = kept(parentElement, build);
  board.report = (n, shapes) => setStateValue("drawn", { n, shapes });
  board.show(data);
}

function svgElement(tag, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(made, attributes);
  parent?.append(made);
  return made;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function build(host) {
  const root = host.querySelector(".root");
  const tools = element("div", "tools", root);
  const buttons = {};
  const [toolGroup, kindGroup] = [
    group(["rectangle", "polygon", "move"], chooseTool),
    group(["ignore", "only"], chooseKind),
  ];
  group(["undo", "delete"], (name) => (name === "undo" ? undo() : remove()));
  for (const kind of ["ignore", "only"]) element("i", kind, buttons[kind]);
  const stage = element("div", "stage", root);
  const img = element("img", "", stage);
  const svg = svgElement("svg", {}, stage);
  const message = element("div", "message", stage);
  const hint = element("div", "quiet hint", root);
  stage.setAttribute("role", "application");
  stage.tabIndex = 0;
  img.alt = "";
  img.draggable = false;
  hint.setAttribute("aria-live", "polite");

  const id = `dn2-mask-${(boards += 1)}`;
  const defs = svgElement("defs", {}, svg);
  const hatch = svgElement("pattern", { id: `${id}-hatch`, width: 10, height: 10, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, defs);
  svgElement("rect", { width: 10, height: 10, fill: "#000", "fill-opacity": 0.45 }, hatch);
  svgElement("rect", { width: 2, height: 10, fill: "#fff", "fill-opacity": 0.75 }, hatch);
  const hidden = svgElement("mask", { id: `${id}-hidden`, maskUnits: "userSpaceOnUse", x: 0, y: 0, width: "100%", height: "100%" }, defs);
  svgElement("rect", { width: "100%", height: "100%", fill: `url(#${id}-hatch)`, mask: `url(#${id}-hidden)`, "pointer-events": "none" }, svg);
  const areas = svgElement("g", {}, svg);
  const over = svgElement("g", { "pointer-events": "none" }, svg);

  const self = { report: () => {}, show };
  let data = null;
  let shapes = []; // [kind, [[x, y], ...]] each; never changed in place
  let past = []; // what `shapes` was, the last at the end
  let sent = 0; // the number of the last report
  let tool = "rectangle";
  let kind = "ignore";
  let selected = -1;
  let corners = null; // of the polygon or rectangle that is being drawn
  let pointer = null; // where it is, or null while it is away; in shares
  let clicked = 0; // when the last corner was set
  let nudging = 0; // the timer that ends a stroke by keys
  let drag = null; // { start, points, moved }: the selected area on its way
  let size = [1, 1]; // of the picture as shown, in px

  function group(names, choose) {
    const box = element("div", "group", tools);
    box.setAttribute("role", "group");
    for (const name of names) {
      buttons[name] = element("button", "", box);
      buttons[name].type = "button";
      buttons[name].addEventListener("click", () => choose(name));
    }
    return box;
  }

  function show(newData) {
    const first = data === null;
    data = newData;
    for (const [name, button] of Object.entries(buttons)) {
      const words = button.lastChild?.nodeType === Node.TEXT_NODE ? button.lastChild : button.appendChild(new Text());
      words.data = data.texts[name];
    }
    toolGroup.setAttribute("aria-label", data.texts.tools);
    kindGroup.setAttribute("aria-label", data.texts.kinds);
    tools.style.display = data.fixed ? "none" : "";
    stage.setAttribute("aria-label", data.alt);
    stage.classList.toggle("fixed", data.fixed);
    if (data.fixed) letGo();
    // An answer to an older report knows nothing of what was drawn since.
    if (data.answered >= sent) {
      if (!first && JSON.stringify(shapes) !== JSON.stringify(data.shapes)) {
        remember();
        letGo();
      }
      shapes = data.shapes;
      sent = data.answered;
    }
    if (img.getAttribute("src") !== data.url) {
      message.textContent = "";
      img.src = data.url;
    }
    layout();
  }

  function remember() {
    settle();
    past = [...past, shapes].slice(-REMEMBERED);
  }

  function letGo() {
    corners = null;
    drag = null;
    selected = -1;
  }

  function change(next, nextSelected = -1) {
    remember();
    shapes = next;
    selected = nextSelected;
    tell();
  }

  function tell() {
    sent += 1;
    self.report(sent, shapes);
    draw();
  }

  /** The selected area, moved by a key: a key held down is one stroke. */
  function nudge(points) {
    if (!nudging) {
      remember();
      sent += 1;
    }
    clearTimeout(nudging);
    nudging = setTimeout(settle, RESTS);
    shapes = replaced(selected, [shapes[selected][0], points]);
    draw();
  }

  function settle() {
    if (!nudging) return;
    clearTimeout(nudging);
    nudging = 0;
    self.report(sent, shapes);
  }

  function undo() {
    settle();
    if (corners) {
      corners = tool === "polygon" && corners.length > 1 ? corners.slice(0, -1) : null;
      draw();
    } else if (past.length) {
      shapes = past.pop();
      letGo();
      tell();
    }
  }

  function remove() {
    if (selected < 0) return;
    stage.focus({ preventScroll: true }); // the area that may have it goes
    change(shapes.filter((_, i) => i !== selected));
  }

  function chooseTool(name) {
    tool = name;
    letGo();
    draw();
  }

  function chooseKind(name) {
    kind = name;
    if (selected >= 0 && shapes[selected][0] !== kind) change(replaced(selected, [kind, shapes[selected][1]]), selected);
    else draw();
  }

  function select(i) {
    selected = i;
    if (i >= 0) kind = shapes[i][0];
    draw();
  }

  function replaced(at, shape) {
    return shapes.map((one, i) => (i === at ? shape : one));
  }

  /** The drawn corners become an area, unless they enclose nothing. */
  function finish() {
    const points = corners.map((point) => point.map((share) => Number(share.toFixed(5))));
    corners = null;
    const [w, h] = size;
    let twice = 0; // the area
    points.forEach(([x, y], i) => {
      const [nextX, nextY] = points[(i + 1) % points.length];
      twice += (x * nextY - nextX * y) * w * h;
    });
    if (points.length >= 3 && Math.abs(twice) / 2 >= LEAST * LEAST) change([...shapes, [kind, points]]);
    else draw();
  }

  function box([x0, y0], [x1, y1]) {
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  }

  function bounds(points) {
    const [x, y] = [0, 1].map((axis) => points.map((point) => point[axis]));
    return { left: Math.min(...x), top: Math.min(...y), right: Math.max(...x), bottom: Math.max(...y) };
  }

  function shifted(points, dx, dy) {
    const { left, top, right, bottom } = bounds(points);
    const [x, y] = [clamp(dx, -left, 1 - right), clamp(dy, -top, 1 - bottom)];
    return points.map((point) => [clamp(point[0] + x, 0, 1), clamp(point[1] + y, 0, 1)]);
  }

  /** Its right and lower edge moved, the others in proportion. */
  function stretched(points, dx, dy) {
    const { left, top, right, bottom } = bounds(points);
    const across = clamp(right + dx, left + STEP, 1) - left;
    const down = clamp(bottom + dy, top + STEP, 1) - top;
    return points.map(([x, y]) => [
      clamp(left + ((x - left) * across) / (right - left), 0, 1),
      clamp(top + ((y - top) * down) / (bottom - top), 0, 1),
    ]);
  }

  function away([x0, y0], [x1, y1]) {
    return Math.hypot((x1 - x0) * size[0], (y1 - y0) * size[1]);
  }

  function layout() {
    const { naturalWidth: w, naturalHeight: h } = img;
    if (!data || !w) return;
    const width = Math.round(Math.min(root.clientWidth, (data.height * w) / h));
    size = [width, Math.round((width * h) / w)];
    Object.assign(stage.style, { width: `${size[0]}px`, height: `${size[1]}px` });
    svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    img.classList.toggle("pixels", width >= 3 * w);
    draw();
  }

  function px(points) {
    return points.map(([x, y]) => `${x * size[0]},${y * size[1]}`).join(" ");
  }

  function draw() {
    const full = shapes.length >= data.most.shapes && tool !== "move";
    for (const name of ["rectangle", "polygon", "move"]) buttons[name].setAttribute("aria-pressed", String(name === tool));
    for (const name of ["ignore", "only"]) buttons[name].setAttribute("aria-pressed", String(name === kind));
    buttons.undo.disabled = !corners && !past.length;
    buttons.delete.disabled = selected < 0;
    stage.classList.toggle("move", tool === "move" && !data.fixed);
    const words = full ? data.texts.full : data.texts.hints[selected >= 0 ? "selected" : tool];
    if (hint.textContent !== words) hint.textContent = words;
    hint.style.display = data.fixed ? "none" : "";
    drawHidden();
    while (areas.children.length > shapes.length) areas.lastChild.remove();
    while (areas.children.length < shapes.length) makeArea(areas.children.length);
    shapes.forEach(drawArea);
    drawDraft();
  }

  function pointsOf(i) {
    return i === selected && drag?.moved ? drag.moved : shapes[i][1];
  }

  function drawHidden() {
    const only = shapes.some(([one]) => one === "only");
    const paint = (points, colour) => svgElement("polygon", { points: px(points), fill: colour, "fill-rule": "evenodd" }, hidden);
    hidden.replaceChildren();
    svgElement("rect", { width: "100%", height: "100%", fill: only ? "#fff" : "#000" }, hidden);
    for (const [wanted, colour] of [["only", "#000"], ["ignore", "#fff"]]) {
      shapes.forEach(([one], i) => one === wanted && paint(pointsOf(i), colour));
    }
  }

  // Areas are kept as they are redrawn, so that the one that has the keyboard's focus keeps it.
  function makeArea(i) {
    const area = svgElement("g", { role: "button" }, areas);
    svgElement("polygon", { class: "under" }, area);
    svgElement("polygon", { class: "edge" }, area);
    svgElement("text", { "aria-hidden": "true" }, area);
    area.dataset.at = i;
    area.addEventListener("focus", () => {
      if (data.fixed || selected === i) return;
      if (tool !== "move") chooseTool("move");
      select(i);
    });
  }

  function drawArea([one], i) {
    const area = areas.children[i];
    const points = pointsOf(i);
    const words = data.texts[one === "ignore" ? "ignored" : "looked"];
    set(area, { class: `area ${one}${i === selected ? " selected" : ""}`, "aria-label": fill(data.texts.area, { n: i + 1, kind: words }) });
    area.tabIndex = data.fixed ? -1 : 0;
    for (const polygon of area.querySelectorAll("polygon")) polygon.setAttribute("points", px(points));
    const { top, bottom } = bounds(points);
    const highest = points.filter(([, y]) => y === top).map(([x]) => x);
    const x = (highest.reduce((sum, one) => sum + one, 0) / highest.length) * size[0];
    const text = area.querySelector("text");
    text.textContent = words;
    set(text, { x: clamp(x, LABEL, size[0] - LABEL), y: Math.min(top * size[1] + 16, ((top + bottom) / 2) * size[1] + 4) });
  }

  function drawDraft() {
    over.replaceChildren();
    const dot = ([x, y]) => svgElement("circle", { class: "corner", cx: x * size[0], cy: y * size[1], r: 4.5 }, over);
    if (selected >= 0) pointsOf(selected).forEach(dot);
    if (!corners) return;
    const points = tool === "polygon" && pointer ? [...corners, pointer] : corners;
    for (const name of ["under", "edge"]) {
      svgElement(tool === "polygon" ? "polyline" : "polygon", { class: `draft ${name} ${kind}`, points: px(points) }, over);
    }
    if (tool === "polygon") corners.forEach(dot);
  }

  /** Where the pointer is; what is hardly off the picture's edge is on it. */
  function at(event) {
    const { left, top, width, height } = svg.getBoundingClientRect();
    const share = (px, side) => (px < LEAST ? 0 : px > side - LEAST ? 1 : px / side);
    return [share(event.clientX - left, width), share(event.clientY - top, height)];
  }

  function setCorner(point, when) {
    const last = corners?.at(-1);
    if (!corners) corners = [point];
    else if (corners.length >= 3 && away(corners[0], point) <= NEAR) return finish();
    else if (away(last, point) <= NEAR && when - clicked < TWICE) return corners.length >= 3 ? finish() : draw();
    else if (away(last, point) > LEAST) corners = [...corners, point];
    clicked = when;
    if (corners.length >= data.most.points) return finish();
    draw();
  }

  svg.addEventListener("pointerdown", (event) => {
    if (data.fixed || event.button !== 0 || !event.isPrimary) return;
    event.preventDefault(); // the focus goes to the stage, not to an area under the pointer
    stage.focus({ preventScroll: true });
    pointer = at(event);
    if (tool === "move") {
      select(Number(event.target.closest(".area")?.dataset.at ?? -1));
      if (selected < 0) return;
      drag = { start: pointer, points: shapes[selected][1], moved: null };
    } else if (shapes.length >= data.most.shapes) return;
    else if (tool === "polygon") return setCorner(pointer, event.timeStamp);
    else corners = box(pointer, pointer);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!event.isPrimary || !(corners || drag)) return;
    if (event.buttons === 0 && tool !== "polygon") return abandon(); // let go outside of the window
    pointer = at(event);
    if (drag) drag.moved = shifted(drag.points, pointer[0] - drag.start[0], pointer[1] - drag.start[1]);
    else if (tool === "rectangle") corners = box(corners[0], pointer);
    draw();
  });
  svg.addEventListener("pointerup", (event) => {
    if (!event.isPrimary) return;
    if (tool === "rectangle" && corners) finish();
    const { moved, start } = drag ?? {};
    drag = null;
    if (moved && away(start, pointer) > LEAST / 2) change(replaced(selected, [shapes[selected][0], moved]), selected);
    else if (moved) draw();
  });
  svg.addEventListener("pointercancel", () => tool === "polygon" || abandon());
  svg.addEventListener("pointerleave", () => {
    pointer = null;
    if (corners && tool === "polygon") draw();
  });

  function abandon() {
    corners = null;
    drag = null;
    draw();
  }

  function key(event) {
    const command = event.ctrlKey || event.metaKey;
    if (command && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z") return undo;
    if (command || event.altKey) return null;
    if (event.key === "Escape" && (corners || drag)) return abandon;
    if (event.key === "Escape" && selected >= 0) return () => select(-1);
    if (!stage.contains(event.target)) return null;
    if (event.key === "Enter" && corners && tool === "polygon") return finish;
    if (event.key === "Enter" && tool === "rectangle" && shapes.length < data.most.shapes) return layInTheMiddle;
    if (["Delete", "Backspace"].includes(event.key)) return corners ? undo : selected >= 0 ? remove : null;
    const [dx, dy] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key] ?? [];
    if (dx === undefined || selected < 0 || drag) return null;
    return () => nudge((event.shiftKey ? stretched : shifted)(shapes[selected][1], dx, dy));
  }

  function layInTheMiddle() {
    tool = "move";
    change([...shapes, [kind, box([0.375, 0.375], [0.625, 0.625])]], shapes.length);
  }

  root.addEventListener("keydown", (event) => {
    const action = data.fixed ? null : key(event);
    if (!action) return;
    action();
    event.preventDefault();
    event.stopPropagation();
  });
  img.addEventListener("load", layout);
  img.addEventListener("error", () => (message.textContent = data.texts.missing));
  new ResizeObserver(layout).observe(root);
  return self;
}
