// Pictures that zoom and move together; over the left one, where asked, its heat and outlines.

const MOST = 32;
const STORED = "dn2-heat"; // { on, opacity }: as this person last had it
const SVG = "http://www.w3.org/2000/svg";

export default function (component) {
  const { data, parentElement } = component;
  const view = kept(parentElement, build);
  view.show(data);
}

function build(host) {
  const root = host.querySelector(".root");
  const pair = element("div", "pair", root);
  const heat = heatControls(root, () => laid());
  const hint = element("div", "quiet hint", root);
  pair.tabIndex = 0;
  pair.setAttribute("role", "img");
  let panes = [];
  let zoom = 1; // 1: the picture fits its pane
  let centre = [0.5, 0.5]; // of the view, in shares of the picture
  let shown = "";
  let most = 520; // px a pane is high at most

  function show(data) {
    most = data.height;
    pair.setAttribute("aria-label", data.alt);
    hint.textContent = data.texts.hint;
    if (data.urls[0] !== shown) fit(); // another picture is seen whole at first; the normal beside it may change
    shown = data.urls[0];
    const old = panes;
    panes = data.urls.map((url, i) => {
      const same = old.find((pane) => pane.url === url);
      const pane = same ?? makePane(url, data);
      setOutline(pane, i === 0 ? data.outline : null);
      setOverlay(pane, i === 0 ? data.overlay : null, data.texts);
      return pane;
    });
    for (const pane of old) {
      if (panes.includes(pane)) continue;
      observer.unobserve(pane.box);
      pane.img.src = ""; // what is still on its way is not wanted any more
    }
    pair.replaceChildren(...panes.map((pane) => pane.box));
    heat.show(data.overlay, data.texts);
    laid();
    layout();
  }

  function makePane(url, data) {
    const box = element("div", "pane");
    const img = element("img", "", box);
    const pane = { url, box, img, outline: null };
    img.alt = "";
    img.draggable = false;
    img.onload = layout;
    img.onerror = () => {
      if (!img.getAttribute("src")) return;
      img.remove();
      element("div", "message", box).textContent = data.texts.missing;
    };
    img.src = url;
    drag(box);
    observer.observe(box);
    return pane;
  }

  function setOutline(pane, shares) {
    pane.shares = shares;
    if (shares && !pane.outline) pane.outline = element("div", "outline", pane.box);
    if (!shares && pane.outline) {
      pane.outline.remove();
      pane.outline = null;
    }
  }

  /** A picture and lines over a pane's own picture: { url, contours }, each of them in shares of that picture. */
  function setOverlay(pane, overlay, texts) {
    const url = overlay?.url ?? "";
    if (pane.over && pane.over.getAttribute("src") !== url) {
      pane.over.remove();
      pane.over = null;
    }
    if (url && !pane.over) {
      pane.over = element("img", "over");
      pane.over.alt = "";
      pane.over.draggable = false;
      pane.over.onload = layout;
      pane.over.onerror = () => heat.failed(texts);
      pane.over.src = url;
      pane.img.after(pane.over);
    }
    pane.lines?.remove();
    pane.lines = overlay?.contours?.length ? drawnLines(overlay.contours, pane.box) : null;
  }

  /** The heat as shown or not, and as strong, as the controls say. */
  function laid() {
    for (const { over, lines } of panes) {
      if (over) over.style.opacity = heat.on ? heat.opacity : 0;
      if (lines) lines.style.display = heat.on ? "" : "none";
    }
  }

  function scaleOf(pane) {
    const { naturalWidth: w, naturalHeight: h } = pane.img;
    if (!w) return 0;
    return Math.min(pane.box.clientWidth / w, pane.box.clientHeight / h) * zoom;
  }

  /** As high as the pictures need at this width, so that no grey bars stand around them. */
  function setHeight() {
    const needed = panes.map(({ box, img }) => (img.naturalWidth ? (box.clientWidth * img.naturalHeight) / img.naturalWidth : 0));
    const height = Math.round(Math.min(most, Math.max(160, ...needed)));
    if (needed.every((one) => one === 0)) return; // nothing is loaded yet: the old height stays
    for (const { box } of panes) box.style.height = `${height}px`;
    pair.style.minHeight = `${height}px`;
  }

  function layout() {
    setHeight();
    for (const pane of panes) {
      const scale = scaleOf(pane);
      if (!scale) continue;
      const [w, h] = [pane.img.naturalWidth * scale, pane.img.naturalHeight * scale];
      const x = pane.box.clientWidth / 2 - centre[0] * w;
      const y = pane.box.clientHeight / 2 - centre[1] * h;
      pane.img.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      pane.img.classList.toggle("pixels", scale >= 3);
      if (pane.over?.naturalWidth) {
        const [across, down] = [w / pane.over.naturalWidth, h / pane.over.naturalHeight];
        pane.over.style.transform = `translate(${x}px, ${y}px) scale(${across}, ${down})`;
      }
      pane.lines?.firstChild.setAttribute("transform", `translate(${x} ${y}) scale(${w} ${h})`);
      if (pane.outline) {
        const [left, top, right, bottom] = pane.shares;
        Object.assign(pane.outline.style, {
          left: `${x + left * w}px`, top: `${y + top * h}px`,
          width: `${(right - left) * w}px`, height: `${(bottom - top) * h}px`,
        });
      }
    }
  }

  function fit() {
    zoom = 1;
    centre = [0.5, 0.5];
  }

  function move(dx, dy) {
    const pane = panes[0];
    const scale = scaleOf(pane);
    if (!scale) return;
    const clamp = (value) => Math.min(1, Math.max(0, value));
    centre = [
      clamp(centre[0] - dx / (pane.img.naturalWidth * scale)),
      clamp(centre[1] - dy / (pane.img.naturalHeight * scale)),
    ];
    layout();
  }

  function zoomBy(factor, pane = panes[0], at = null) {
    const scale = scaleOf(pane);
    if (!scale) return;
    const before = zoom;
    zoom = Math.min(MOST, Math.max(1, zoom * factor));
    if (at && zoom !== before) {
      // What lies under the pointer stays there.
      const [dx, dy] = [at[0] - pane.box.clientWidth / 2, at[1] - pane.box.clientHeight / 2];
      const change = zoom / before - 1;
      move(-dx * change, -dy * change);
    }
    if (zoom === 1) centre = [0.5, 0.5];
    layout();
  }

  function drag(box) {
    let last = null;
    box.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      last = [event.clientX, event.clientY];
      box.setPointerCapture(event.pointerId);
      box.classList.add("moving");
    });
    box.addEventListener("pointermove", (event) => {
      if (event.buttons === 0) last = null; // let go outside of the window
      if (!last) return;
      move(event.clientX - last[0], event.clientY - last[1]);
      last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) {
      box.addEventListener(end, () => {
        last = null;
        box.classList.remove("moving");
      });
    }
    box.addEventListener(
      "wheel",
      (event) => {
        const pane = panes.find((one) => one.box === box);
        const closing = event.deltaY > 0 ? zoom <= 1 : zoom >= MOST;
        if (!pane || closing) return; // at the end of the zoom the page scrolls
        event.preventDefault();
        const rectangle = box.getBoundingClientRect();
        const at = [event.clientX - rectangle.left, event.clientY - rectangle.top];
        zoomBy(Math.exp(-event.deltaY / 300), pane, at);
      },
      { passive: false },
    );
    box.addEventListener("dblclick", () => {
      fit();
      layout();
    });
  }

  pair.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8),
      0: () => { fit(); layout(); },
    };
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    // Unzoomed, the arrows belong to the page: previous and next.
    if (event.key in moves && zoom > 1) move(...moves[event.key]);
    else if (event.key in keys) keys[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const observer = new ResizeObserver(layout);
  return { show };
}

/** Closed lines through [x, y] in shares, dark below light, so that they are seen on any picture. */
function drawnLines(contours, box) {
  const svg = document.createElementNS(SVG, "svg");
  const group = document.createElementNS(SVG, "g");
  svg.classList.add("lines");
  svg.setAttribute("aria-hidden", "true");
  svg.append(group);
  const d = contours.map((line) => `M${line.map((point) => point.join(" ")).join("L")}Z`).join("");
  for (const name of ["dark", "light"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    path.setAttribute("d", d);
    group.append(path);
  }
  box.append(svg);
  return svg;
}

/** A switch (H), a slider and the scale; `on` and `opacity` are kept for the next picture, and `changed` is called. */
function heatControls(root, changed) {
  const bar = element("div", "heat", root);
  const label = element("label", "switch", bar);
  const box = element("input", "", label);
  const name = element("span", "", label);
  element("kbd", "", label).textContent = "H";
  const strength = element("label", "strength", bar);
  const word = element("span", "quiet", strength);
  const slider = element("input", "", strength);
  const scale = element("div", "scale", bar);
  const state = { on: true, opacity: 1, show, failed };
  box.type = "checkbox";
  Object.assign(slider, { type: "range", min: 0.1, max: 1, step: 0.05 });
  bar.hidden = true;
  let url = null;

  function show(overlay, texts) {
    document.addEventListener("keydown", onKey); // once, however often it is asked
    bar.hidden = !overlay;
    if (!overlay) return;
    if (overlay.url !== url) bar.classList.remove("failed");
    url = overlay.url;
    try {
      Object.assign(state, JSON.parse(localStorage.getItem(STORED) ?? "{}"));
    } catch {} // a browser that keeps nothing starts anew
    box.checked = state.on;
    slider.value = state.opacity;
    slider.disabled = !state.on;
    if (!bar.classList.contains("failed")) name.textContent = overlay.name;
    word.textContent = texts.opacity;
    scale.replaceChildren();
    const stops = overlay.legend;
    if (!stops.length) return;
    const strip = element("div", "strip", scale);
    strip.style.background = `linear-gradient(to right, ${stops.map(([at, colour]) => `${colour} ${100 * at}%`).join(", ")})`;
    const words = element("div", "words", scale);
    for (const [, , text] of stops) if (text) element("span", "", words).textContent = text;
  }

  function failed(texts) {
    bar.classList.add("failed");
    name.textContent = texts.missingHeat;
  }

  function set(change) {
    Object.assign(state, change);
    slider.disabled = !state.on;
    try {
      localStorage.setItem(STORED, JSON.stringify({ on: state.on, opacity: state.opacity }));
    } catch {}
    changed();
  }

  box.addEventListener("change", () => set({ on: box.checked }));
  slider.addEventListener("input", () => set({ opacity: Number(slider.value) }));
  slider.addEventListener("keydown", (event) => {
    // The page has keys of its own; these ones move the thumb.
    if (/^(Arrow|Page|Home|End)/.test(event.key)) event.stopPropagation();
  });
  function onKey(event) {
    if (!bar.isConnected) return document.removeEventListener("keydown", onKey); // the page shows something else
    if (bar.hidden || event.key.toLowerCase() !== "h" || event.ctrlKey || event.metaKey || event.altKey) return;
    const [target] = event.composedPath();
    if (target.isContentEditable || target.matches?.("textarea, input:not([type=checkbox], [type=range])")) return;
    box.checked = !box.checked;
    set({ on: box.checked });
  }
  return state;
}
