// Folder upload: lists what was dropped or chosen, sends it in parts on three lines, tries a lost part again.

const PART_FILES = 32;
const PART_BYTES = 64e6;
const LINES = 3;
const TRIES = 3;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const form = kept(parentElement, build);
  form.update(data, (answer) => setTriggerValue("finished", answer));
}

function build(host) {
  const root = host.querySelector(".root");
  const drop = element("div", "drop", root);
  const words = element("div", "words", drop);
  const title = element("strong", "", words);
  const line = element("div", "quiet", words);
  line.setAttribute("role", "status");
  const bar = element("div", "bar", words);
  const filled = element("div", "", bar);
  const folder = button(drop);
  const zip = button(drop);
  const stop = button(drop);
  const folderInput = input({ webkitdirectory: true, multiple: true, id: "folder" });
  const zipInput = input({ accept: ".zip", multiple: true, id: "zip" });
  let data = null;
  let finish = () => {};
  let busy = false;
  let stopping = null;

  function update(newData, onFinished) {
    data = newData;
    finish = onFinished;
    if (busy) return;
    title.textContent = data.texts.drop;
    line.textContent = data.texts.hint;
    folder.textContent = data.texts.folder;
    zip.textContent = data.texts.zip;
    stop.textContent = data.texts.stop;
    idle(true);
  }

  function idle(yes) {
    busy = !yes;
    folder.hidden = zip.hidden = !yes;
    stop.hidden = bar.hidden = yes;
  }

  async function send(files) {
    if (!files.length) {
      line.textContent = data.texts.empty;
      return;
    }
    idle(false);
    stopping = new AbortController();
    const answer = await sendAll(files, data, stopping.signal, progress);
    stopping = null;
    idle(true);
    finish(answer);
  }

  function progress({ done, total, bytes, all, left }) {
    filled.style.width = `${(100 * bytes) / Math.max(1, all)}%`;
    const mb = (value) => (value / 1e6).toLocaleString(undefined, { maximumFractionDigits: value < 1e7 ? 1 : 0 });
    let text = fill(data.texts.sending, { done, total, mb: mb(bytes), all: mb(all) });
    if (left > 2) text += ` · ${fill(data.texts.left, { s: Math.round(left) })}`;
    line.textContent = stopping?.signal.aborted ? data.texts.stopped : text;
  }

  function input(options) {
    const made = element("input", "", root);
    made.type = "file";
    Object.assign(made, options);
    made.addEventListener("change", () => {
      const files = [...made.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
      made.value = "";
      send(files);
    });
    return made;
  }

  function button(parent) {
    const made = element("button", "", parent);
    made.type = "button";
    return made;
  }

  folder.addEventListener("click", () => folderInput.click());
  zip.addEventListener("click", () => zipInput.click());
  stop.addEventListener("click", () => {
    stopping?.abort();
    line.textContent = data.texts.stopped;
  });
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.toggle("over", !busy);
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (busy) return;
    // The entries must be taken before the first await: afterwards the browser has emptied the list.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [];
    for (const entry of entries) {
      await listed(entry, files, () => (line.textContent = fill(data.texts.listing, { n: files.length })));
    }
    send(files);
  });
  return { update };
}

/** All files below a dropped entry, with their paths. */
async function listed(entry, files, tell) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    files.push({ file, name: entry.fullPath.replace(/^\//, "") });
    if (files.length % 100 === 0) tell();
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (!some.length) return;
    for (const one of some) await listed(one, files, tell);
  }
}

async function sendAll(files, data, signal, progress) {
  const readable = files.filter((one) => one.file && one.file.size <= data.largest);
  const bad = files.filter((one) => !readable.includes(one)).map((one) => one.name);
  const parts = inParts(readable);
  const all = readable.reduce((sum, one) => sum + one.file.size, 0);
  const began = performance.now();
  const flying = new Map(); // part -> bytes under way
  let sent = 0;
  let arrived = 0;
  let next = 0;
  const tell = () => {
    const bytes = arrived + [...flying.values()].reduce((sum, some) => sum + some, 0);
    const left = bytes ? ((performance.now() - began) / 1000) * (all / bytes - 1) : 0;
    progress({ done: sent, total: files.length, bytes: Math.min(bytes, all), all, left });
  };
  const work = async () => {
    while (next < parts.length && !signal.aborted) {
      const number = next++;
      const part = parts[number];
      const kept = await sendPart(`${data.url}?part=${number}`, part, signal, (bytes) => {
        flying.set(number, bytes);
        tell();
      });
      flying.delete(number);
      if (kept) {
        sent += part.length;
        arrived += part.reduce((sum, one) => sum + one.file.size, 0);
      } else if (!signal.aborted) {
        bad.push(...part.map((one) => one.name));
      }
      tell();
    }
  };
  tell();
  await Promise.all(Array.from({ length: LINES }, work));
  return { sent, bad };
}

function inParts(files) {
  const parts = [];
  let bytes = 0;
  for (const one of files) {
    const last = parts.at(-1);
    if (!last || last.length === PART_FILES || bytes + one.file.size > PART_BYTES) {
      parts.push([one]);
      bytes = one.file.size;
    } else {
      last.push(one);
      bytes += one.file.size;
    }
  }
  return parts;
}

async function sendPart(url, part, signal, sending) {
  for (let attempt = 1; attempt <= TRIES && !signal.aborted; attempt += 1) {
    const status = await post(url, part, signal, sending);
    if (status === 200) return true;
    if (status === 404 || status === 413) return false; // trying again would not help
    await new Promise((resolve) => setTimeout(resolve, 500 * attempt));
  }
  return false;
}

/** One POST; XMLHttpRequest, because fetch tells nothing of an upload's progress. Resolves to the status, 0 if lost. */
function post(url, part, signal, sending) {
  return new Promise((resolve) => {
    const form = new FormData();
    for (const one of part) form.append("f", one.file, one.name);
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort);
    request.open("POST", url);
    request.upload.onprogress = (event) => sending(event.loaded);
    request.onloadend = () => {
      signal.removeEventListener("abort", abort);
      resolve(request.status);
    };
    request.send(form);
  });
}
