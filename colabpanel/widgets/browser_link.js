
// The widget: one pair of transfers for each model, whatever views of it there are.
const parts = new Map();

function partsOf(model) {
  const key = model.get("key");
  if (!parts.has(key)) {
    const send = (message, buffers) => model.send(message, undefined, buffers || []);
    parts.set(key, { downloads: makeDownloads(send), uploads: makeUploads(send) });
    sweepDisk().catch(() => {});
  }
  return parts.get(key);
}

export default {
  initialize({ model }) {
    const { downloads, uploads } = partsOf(model);
    const hear = (message, buffers) => {
      if (message.kind === "want") uploads.hear(message);
      else downloads(message, buffers);
    };
    model.on("msg:custom", hear);
    return () => model.off("msg:custom", hear);
  },
  render({ model, el }) {
    if (!model.get("chooser")) { el.style.display = "none"; return; }
    drawChooser(el, partsOf(model).uploads.choose);
  },
};
