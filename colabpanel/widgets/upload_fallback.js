
// Where custom widgets do not load, the page calls a function of the kernel and takes along what waits for it.
const outbox = [];
const MOST_QUIET = 1200; // some minutes: the upload starts with a click on a button of the panel
const QUIET_AT_THE_END = 1180; // another one may be waiting in the queue
let calling = false;
const uploads = makeUploads((message, buffers) => { outbox.push([message, (buffers || []).map(asText)]); call(); });

function asText(buffer) {
  const bytes = new Uint8Array(buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

async function call() {
  if (calling) return;
  calling = true;
  let quiet = 0;
  try {
    while (quiet < MOST_QUIET) {
      const result = await google.colab.kernel.invokeFunction(name, [outbox.splice(0, 1)], {});
      const answer = result.data["application/json"].answer;
      answer.forEach((message) => uploads.hear(message));
      await uploads.settled();
      const ended = answer.some((message) => message.kind === "forget");
      quiet = ended ? QUIET_AT_THE_END : answer.length || outbox.length ? 0 : quiet + 1;
      if (quiet) await new Promise((done) => setTimeout(done, 300));
    }
  } finally { calling = false; }
}

drawChooser(root, uploads.choose);
