// Folder upload: lists what was dropped or chosen, sends it in parts on three lines, tries a lost part again.

const PART_FILES = 32;
const PART_BYTES = 64e6;
const LINES = 3;
const TRIES = 3;

/** Uploads under way, by address and role: they go on when the page that began them is left. */
const uploads = (window.__dn2Uploads ??= new Map());

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const form = kept(parentElement, build);
  form.update(data, (answer) => setTriggerValue("finished", answer));
  return () => form.rest();
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

  function update(newData, onFinished) {
    data = newData;
    finish = onFinished;
    title.textContent = data.texts.drop;
    folder.textContent = data.texts.folder;
    zip.textContent = data.texts.zip;
    stop.textContent = data.texts.stop;
    const running = uploads.get(name());
    if (running) watch(running);
    else idle(true);
  }

  function rest() {
    const running = data && uploads.get(name());
    if (running?.tell === progress) running.tell = () => {};
  }

  function name() {
    return `${data.url} ${data.role} ${data.held}`;
  }

  function idle(yes) {
    if (yes) line.textContent = data.texts.hint;
    folder.hidden = zip.hidden = !yes;
    stop.hidden = bar.hidden = yes;
  }

  function watch(upload) {
    idle(false);
    upload.tell = progress;
    upload.ended = (answer) => {
      idle(true);
      finish(answer);
    };
    if (upload.last) progress(upload.last);
  }

  async function send(files) {
    if (!files.length) {
      line.textContent = data.texts.empty;
      return;
    }
    const upload = { tell: () => {}, ended: () => {}, stop: new AbortController(), last: null };
    const key = name();
    uploads.set(key, upload);
    watch(upload);
    window.addEventListener("beforeunload", warn);
    const answer = await sendAll(files, { ...data }, upload.stop.signal, (state) => upload.tell((upload.last = state)));
    window.removeEventListener("beforeunload", warn);
    uploads.delete(key);
    upload.ended(answer);
  }

  function progress({ done, total, bytes, all, left }) {
    filled.style.width = `${(100 * bytes) / Math.max(1, all)}%`;
    const mb = (value) => (value / 1e6).toLocaleString(undefined, { maximumFractionDigits: value < 1e7 ? 1 : 0 });
    let text = fill(data.texts.sending, { done, total, mb: mb(bytes), all: mb(all) });
    if (left > 2) text += ` · ${fill(data.texts.left, { s: Math.round(left) })}`;
    line.textContent = uploads.get(name())?.stop.signal.aborted ? data.texts.stopped : text;
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
    uploads.get(name())?.stop.abort();
    line.textContent = data.texts.stopped;
  });
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.toggle("over", !uploads.has(name()));
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (uploads.has(name())) return;
    // The entries must be taken before the first await: afterwards the browser has emptied the list.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [];
    for (const entry of entries) {
      await listed(entry, files, () => (line.textContent = fill(data.texts.listing, { n: files.length })));
    }
    send(files);
  });
  return { update, rest };
}

/** Asks before a tab is closed in the middle of an upload. */
function warn(event) {
  event.preventDefault();
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

/** Opens a batch, sends the files and closes it: what arrived is taken in, also when it was stopped half-way. */
async function sendAll(files, data, signal, progress) {
  const readable = files.filter((one) => one.file && one.file.size <= data.largest);
  const bad = files.filter((one) => !readable.includes(one)).map((one) => one.name);
  const source = files.every((one) => /\.zip$/i.test(one.name)) ? "zip" : "folder";
  const about = new URLSearchParams({ role: data.role, source, held: data.held ? 1 : 0, author: data.author });
  const begun = await post(`${data.url}?${about}`, null);
  if (begun.status !== 200) return { sent: 0, bad: files.map((one) => one.name), reason: reasonOf(begun) };
  const address = `${data.url}/${JSON.parse(begun.text).batch}`;
  const parts = inParts(readable);
  const all = readable.reduce((sum, one) => sum + one.file.size, 0);
  const began = performance.now();
  const flying = new Map(); // part -> bytes under way
  let sent = 0;
  let arrived = 0;
  let next = 0;
  let reason = "";
  const tell = () => {
    const bytes = arrived + [...flying.values()].reduce((sum, some) => sum + some, 0);
    const left = bytes ? ((performance.now() - began) / 1000) * (all / bytes - 1) : 0;
    progress({ done: sent, total: files.length, bytes: Math.min(bytes, all), all, left });
  };
  const work = async () => {
    while (next < parts.length && !signal.aborted) {
      const number = next++;
      const part = parts[number];
      const answer = await sendPart(`${address}?part=${number}`, part, signal, (bytes) => {
        flying.set(number, bytes);
        tell();
      });
      flying.delete(number);
      if (answer.status === 200) {
        sent += part.length;
        arrived += part.reduce((sum, one) => sum + one.file.size, 0);
      } else if (!signal.aborted) {
        bad.push(...part.map((one) => one.name));
        reason ||= reasonOf(answer);
      }
      tell();
    }
  };
  tell();
  await Promise.all(Array.from({ length: LINES }, work));
  const ended = await sendPart(`${address}/end`, null);
  if (ended.status !== 200) return { sent: 0, bad: files.map((one) => one.name), reason: reasonOf(ended) };
  return { sent, bad, reason };
}

/** What the server says of a refusal, where it says it in a sentence. */
function reasonOf(answer) {
  return [413, 507].includes(answer.status) ? answer.text.slice(0, 300) : "";
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
  let answer = { status: 0, text: "" };
  for (let attempt = 1; attempt <= TRIES && !signal?.aborted; attempt += 1) {
    answer = await post(url, part, signal, sending);
    if ([200, 404, 413, 507].includes(answer.status)) return answer; // trying again would change nothing
    await new Promise((resolve) => setTimeout(resolve, 500 * attempt));
  }
  return answer;
}

/** One POST; XMLHttpRequest, because fetch tells nothing of an upload's progress. Status 0: it was lost. */
function post(url, part, signal, sending) {
  return new Promise((resolve) => {
    const form = new FormData();
    for (const one of part ?? []) form.append("f", one.file, one.name);
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal?.addEventListener("abort", abort);
    request.open("POST", url);
    if (sending) request.upload.onprogress = (event) => sending(event.loaded);
    request.onloadend = () => {
      signal?.removeEventListener("abort", abort);
      resolve({ status: request.status, text: request.responseText });
    };
    request.send(form);
  });
}
