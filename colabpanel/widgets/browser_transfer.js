// The page's half of transfers: SHA-256 of any length, files out of the notebook, files into it.
// No imports or exports: browser_link.py puts it into a widget, upload_fallback.py into plain HTML.

const PAGE = Math.random().toString(36).slice(2) + Date.now().toString(36);
const FOLD_AT = 32 * 2 ** 20; // bytes in memory until the browser is handed them as a Blob, which it may put on disk
const MOST_BATCHES = 50;
const SLICE = 500; // files told about in one message
const OPFS_PREFIX = "colabpanel-";

// ---- SHA-256, piece by piece: SubtleCrypto wants the whole at once, and a secure page ----

const SHA_K = (() => {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  return { first: primes.slice(0, 8).map((p) => frac(Math.sqrt(p))), round: new Int32Array(primes.map((p) => frac(Math.cbrt(p)))) };
  function frac(x) { return ((x - Math.floor(x)) * 2 ** 32) | 0; }
})();

class Sha256 {
  constructor() {
    this.state = new Int32Array(SHA_K.first);
    this.words = new Int32Array(64);
    this.rest = new Uint8Array(64);
    this.waiting = 0;
    this.length = 0;
  }

  update(data) {
    this.length += data.length;
    let at = 0;
    if (this.waiting) {
      at = Math.min(64 - this.waiting, data.length);
      this.rest.set(data.subarray(0, at), this.waiting);
      this.waiting += at;
      if (this.waiting < 64) return;
      this.block(this.rest, 0);
      this.waiting = 0;
    }
    for (; at + 64 <= data.length; at += 64) this.block(data, at);
    this.rest.set(data.subarray(at), 0);
    this.waiting = data.length - at;
  }

  block(data, at) {
    const w = this.words, k = SHA_K.round, state = this.state;
    for (let i = 0; i < 16; i++, at += 4) w[i] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + k[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }

  hex() {
    const bits = this.length * 8, padding = new Uint8Array((this.waiting < 56 ? 64 : 128) - this.waiting);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits >>> 0);
    this.update(padding);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

// ---- Out of the notebook ----

class BlobSaver {
  constructor() { this.blob = new Blob([]); this.parts = []; this.waiting = 0; }
  async write(data) {
    this.parts.push(data.slice()); // the view belongs to a message with more than the bytes
    this.waiting += data.length;
    if (this.waiting >= FOLD_AT) this.fold();
  }
  fold() { this.blob = new Blob([this.blob, ...this.parts]); this.parts = []; this.waiting = 0; }
  async finish() { this.fold(); return this.blob; }
  async drop() { this.blob = null; this.parts = []; }
}

class DiskSaver {
  static async open(id, size) {
    const folder = await navigator.storage.getDirectory();
    const room = await navigator.storage.estimate();
    if (size && room.quota - room.usage < size * 1.05) return null;
    const saver = new DiskSaver();
    saver.folder = folder;
    saver.name = `${OPFS_PREFIX}${Date.now()}-${id}`;
    saver.handle = await folder.getFileHandle(saver.name, { create: true });
    saver.stream = await saver.handle.createWritable();
    return saver;
  }
  async write(data) { await this.stream.write(data); }
  async finish() { await this.stream.close(); this.stream = null; return this.handle.getFile(); }
  async drop() {
    if (this.stream) await this.stream.abort().catch(() => {});
    await this.folder.removeEntry(this.name).catch(() => {});
  }
}

// Entries that a closed page left; one that is still being saved elsewhere is younger than a day.
async function sweepDisk() {
  if (!navigator.storage || !navigator.storage.getDirectory) return;
  const folder = await navigator.storage.getDirectory();
  for await (const name of folder.keys()) {
    const made = Number(name.slice(OPFS_PREFIX.length).split("-")[0]);
    if (name.startsWith(OPFS_PREFIX) && Date.now() - made > 86400e3) await folder.removeEntry(name).catch(() => {});
  }
}

async function makeSaver(message) {
  const canDisk = window.isSecureContext && navigator.storage && navigator.storage.getDirectory;
  if (message.on_disk && canDisk) {
    try {
      const saver = await DiskSaver.open(message.transfer, message.size);
      if (saver) return saver;
    } catch (error) { console.warn("colabpanel: the browser's disk cannot be used", error); }
  }
  if (message.size > message.most_in_memory)
    throw new Error("it offers this page no disk for a file of this size.");
  return new BlobSaver();
}

// A browser whose room for Blobs is full makes one all the same, of which nothing can be read.
async function insistOnReadable(blob) {
  try { await blob.slice(-1).arrayBuffer(); }
  catch { throw new Error("its memory for this page is full. Wait a minute, or reload the page."); }
}

function saveAs(blob, name) {
  const link = document.createElement("a"), url = URL.createObjectURL(blob);
  Object.assign(link, { href: url, download: name });
  link.style.display = "none";
  document.body.append(link);
  link.click();
  link.remove();
  return url;
}

// Where a Jupyter server's own address serves the file, the browser's download manager takes it from there.
async function openAddress(message) {
  const stop = new AbortController(); // HEAD would do, but the classic Notebook fails on it
  const headers = message.size ? { Range: "bytes=0-0" } : {};
  const answer = await fetch(message.url, { headers, credentials: "same-origin", signal: stop.signal });
  const range = answer.headers.get("Content-Range");
  const size = Number(range ? range.split("/").pop() : answer.headers.get("Content-Length"));
  stop.abort();
  if (!answer.ok || size !== message.size) return false;
  const link = document.createElement("a");
  Object.assign(link, { href: message.url, download: message.name });
  document.body.append(link);
  link.click();
  link.remove();
  return true;
}

function reasonOf(error) {
  if (error && error.name === "QuotaExceededError")
    return "its room for this page is full. A private window has less of it than another.";
  return String((error && error.message) || error);
}

function makeDownloads(send) {
  const running = new Map();
  let turn = Promise.resolve();

  async function handle(message, buffers) {
    const id = message.transfer;
    if (message.kind === "address") {
      let opened = false;
      try { opened = await openAddress(message); } catch (error) { console.warn("colabpanel:", error); }
      send({ kind: opened ? "opened" : "no address", transfer: id, page: PAGE });
      return;
    }
    if (message.kind === "begin") {
      if (!running.has(id)) running.set(id, { expected: 0, hash: new Sha256(), name: message.name, saver: await makeSaver(message) });
      send({ kind: "ready", transfer: id, page: PAGE });
      return;
    }
    const task = running.get(id);
    if (!task || message.page !== PAGE) {
      if (task) { running.delete(id); await task.saver.drop(); } // given up, or another page was quicker
      return;
    }
    if (message.kind === "piece") {
      if (message.number === task.expected) {
        const view = buffers[0], data = new Uint8Array(view.buffer || view, view.byteOffset || 0, view.byteLength);
        task.hash.update(data);
        await task.saver.write(data);
        task.expected++;
      }
      send({ kind: "ack", transfer: id, page: PAGE, number: task.expected - 1 });
    } else if (message.kind === "end") {
      if (!task.digest) {
        task.digest = task.hash.hex();
        task.blob = await task.saver.finish();
        await insistOnReadable(task.blob);
        if (task.digest === message.sha256) task.url = saveAs(task.blob, task.name);
      }
      send({ kind: "saved", transfer: id, page: PAGE, sha256: task.digest, size: task.blob.size });
    } else if (message.kind === "close") {
      running.delete(id);
      // The browser copies the bytes after this returns, and does not say when it is through.
      const patience = task.url ? 60e3 + task.blob.size / 2e4 : 0;
      setTimeout(() => { if (task.url) URL.revokeObjectURL(task.url); task.saver.drop(); }, patience);
    } else if (message.kind === "cancel") {
      running.delete(id);
      await task.saver.drop();
    }
  }

  return (message, buffers) => {
    turn = turn.then(() => handle(message, buffers)).catch((error) => {
      const task = running.get(message.transfer);
      running.delete(message.transfer);
      send({ kind: "error", transfer: message.transfer, page: PAGE, message: reasonOf(error) });
      return task && task.saver.drop();
    });
  };
}

// ---- Into the notebook ----

function makeUploads(send) {
  const batches = new Map();
  let turn = Promise.resolve(), number = 0;

  function choose(list) {
    const files = Array.from(list);
    if (!files.length) return;
    const id = `${PAGE}-${number++}`;
    batches.set(id, { files, hashes: new Map() }); // those chosen before may still be on their way, or tried again
    if (batches.size > MOST_BATCHES) batches.delete(batches.keys().next().value);
    for (let first = 0; first < files.length; first += SLICE) {
      const told = files.slice(first, first + SLICE).map((file) => [file.webkitRelativePath || file.name, file.size, file.lastModified]);
      send({ kind: "chosen", transfer: id, page: PAGE, total: files.length, first, files: told });
    }
  }

  async function bytes(file, start, end) { return new Uint8Array(await file.slice(start, end).arrayBuffer()); }

  // The sum of a file is taken of all its bytes, those that an earlier page has sent too.
  async function hashed(batch, index, start, data) {
    let entry = batch.hashes.get(index);
    if (!entry) batch.hashes.set(index, (entry = { at: 0, sum: new Sha256() }));
    const file = batch.files[index];
    while (entry.at < start) {
      const gap = await bytes(file, entry.at, Math.min(start, entry.at + 4 * 2 ** 20));
      entry.sum.update(gap);
      entry.at += gap.length;
    }
    const fresh = data.subarray(Math.max(entry.at - start, 0)); // what an earlier try has not summed up
    if (fresh.length && !entry.hex) { entry.sum.update(fresh); entry.at += fresh.length; }
    if (start + data.length < file.size) return null;
    if (!entry.hex) entry.hex = entry.sum.hex();
    return entry.hex;
  }

  async function answer(message) {
    const batch = batches.get(message.transfer);
    if (message.kind !== "want" || (!batch && message.page !== PAGE)) return;
    if (!batch) throw new Error("it no longer knows these files. Choose them again.");
    const sums = [], buffers = [];
    for (const [index, start, length] of message.parts) {
      try {
        const data = await bytes(batch.files[index], start, start + length);
        sums.push(await hashed(batch, index, start, data));
        buffers.push(data.buffer);
      } catch (error) {
        sums.push("unreadable");
        buffers.push(new ArrayBuffer(0));
      }
    }
    send({ kind: "parts", transfer: message.transfer, page: PAGE, number: message.number, sums }, buffers);
  }

  return {
    choose,
    settled: () => turn,
    hear: (message) => { turn = turn.then(() => answer(message)).catch((error) =>
      send({ kind: "error", transfer: message.transfer, page: PAGE, message: reasonOf(error) })); },
  };
}

// Two buttons, and a place to drop files; the kernel says what it has heard.
function drawChooser(root, choose) {
  const box = document.createElement("div"), hint = document.createElement("span");
  hint.textContent = "or drop files here";
  const make = (words, folder) => {
    const button = document.createElement("button"), input = document.createElement("input");
    Object.assign(button, { type: "button", className: "cp-copy", textContent: words });
    Object.assign(input, { type: "file", multiple: true, webkitdirectory: folder });
    input.setAttribute("aria-label", words);
    input.style.setProperty("display", "none", "important"); // the classic Notebook shows hidden ones
    button.addEventListener("click", () => { input.value = ""; input.click(); });
    input.addEventListener("change", () => choose(input.files));
    box.append(button, input);
  };
  make("Choose files", false);
  make("Choose a folder", true);
  box.append(hint);
  root.append(box);
  Object.assign(box.style, { display: "flex", flexWrap: "wrap", gap: "8px", alignItems: "center", padding: "10px",
    border: "1px dashed var(--cp-field-line, #8a8a8a)", borderRadius: "8px", color: "var(--cp-soft, inherit)" });
  box.addEventListener("dragover", (event) => event.preventDefault());
  box.addEventListener("drop", (event) => { event.preventDefault(); choose(event.dataTransfer.files); });
}
