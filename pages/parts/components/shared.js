// What all components share: taking payloads apart, words, and the thumbnails in memory.

const decoder = new TextDecoder();

/** The head and the parts (Uint8Array each) of what pack() in assets.py wrote. */
function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(0, true);
  const head = JSON.parse(decoder.decode(bytes.subarray(4, 4 + size)));
  let at = 4 + size;
  const parts = head.lengths.map((length) => bytes.slice(at, (at += length)));
  return { head, parts };
}

function textLines(bytes, count) {
  return count ? decoder.decode(bytes).split("\n") : [];
}

/** A message with its {fields} filled in. */
function fill(message, fields) {
  return message.replace(/\{(\w+)\}/g, (all, name) => (name in fields ? String(fields[name]) : all));
}

function element(tag, className, parent) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (parent) parent.append(made);
  return made;
}

/**
 * The keys of buttons rest while any input has the focus. That spares those that are typed in; a switch, a radio button
 * or a slider takes no letters, and a switch no arrows: these go on to the page.
 */
if (!window.__dn2Passing) {
  window.__dn2Passing = true;
  document.addEventListener("keydown", (event) => {
    const [target] = event.composedPath();
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || target.tagName !== "INPUT") return;
    const letter = /^[a-z0-9]$/i.test(event.key) && /^(checkbox|radio|range)$/.test(target.type);
    if (!letter && !(/^Arrow(Left|Right)$/.test(event.key) && target.type === "checkbox")) return;
    event.stopImmediatePropagation(); // whoever listens here hears it once
    const { key, code, keyCode, shiftKey, repeat } = event;
    const again = { key, code, keyCode, shiftKey, repeat, bubbles: true, cancelable: true };
    if (!document.body.dispatchEvent(new KeyboardEvent("keydown", again))) event.preventDefault();
  });
}

const mounted = new WeakMap();

/** What build() made for a component's element: made once, and kept whatever new data comes. */
function kept(element, build) {
  if (!mounted.has(element)) mounted.set(element, build(element));
  return mounted.get(element);
}

/** A CSS variable of the theme, as the browser computes it. */
function themeColour(host, name, otherwise) {
  return getComputedStyle(host).getPropertyValue(name).trim() || otherwise;
}

const SYMBOLS = {
  pass: "M6.5 11.2 3.3 8l1.1-1.1 2.1 2.1 5-5L12.6 5z",
  review: "M8 2a4 4 0 0 0-4 4h1.7A2.3 2.3 0 1 1 8.9 8.1C7.7 8.8 7.2 9.4 7.2 10.6h1.7c0-.7.3-1 1-1.4A4 4 0 0 0 8 2zM7.1 12h1.8v1.8H7.1z",
  reject: "M8 1.5 15 14H1zM7.2 6v4h1.6V6zM7.2 11v1.6h1.6V11z",
  place: "M2 6V2h4v1.6H3.6V6zM10 2h4v4h-1.6V3.6H10zM2 10h1.6v2.4H6V14H2zM12.4 10H14v4h-4v-1.6h2.4zM8 5.6a2.4 2.4 0 1 1 0 4.8 2.4 2.4 0 0 1 0-4.8z",
  normal: "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
  plain: "M4 7.2h8v1.6H4z",
};

function symbol(tone) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SYMBOLS[tone] ?? SYMBOLS.plain);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** Thumbnails by address and id, the last few thousand; shared by every gallery of the page. */
const pictures = (window.__dn2Pictures ??= new Map());
const PICTURES_KEPT = 3000;

function picture(url, id) {
  const key = `${url}#${id}`;
  const known = pictures.get(key);
  if (known !== undefined) {
    pictures.delete(key); // to the end: used last
    pictures.set(key, known);
  }
  return known;
}

function keepPicture(url, id, blobUrl) {
  const before = pictures.get(`${url}#${id}`);
  if (before) URL.revokeObjectURL(before);
  pictures.set(`${url}#${id}`, blobUrl);
  while (pictures.size > PICTURES_KEPT) {
    const [oldest, address] = pictures.entries().next().value;
    pictures.delete(oldest);
    if (address) URL.revokeObjectURL(address);
  }
}

/** Fetch thumbnails in one request; an id without a picture becomes "". Throws where the request fails. */
async function fetchPictures(url, ids, signal) {
  const answer = await fetch(`${url}?ids=${ids.join(",")}`, { signal });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const count = view.getUint32(0, true);
  let at = 4 + 4 * count;
  for (let i = 0; i < count; i += 1) {
    const length = view.getUint32(4 + 4 * i, true);
    const jpeg = bytes.subarray(at, at + length);
    keepPicture(url, ids[i], length ? URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" })) : "");
    at += length;
  }
}
