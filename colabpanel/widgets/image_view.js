const v = event.currentTarget, s = v.querySelector('.cp-stage'), i = s.querySelector('img');
const full = +i.dataset.width || i.naturalWidth || 1, tall = +i.dataset.height || i.naturalHeight || 1;
const size = (width, x, y) => {
  const w = i.clientWidth, h = i.clientHeight;
  const left = (s.scrollLeft + x) / w, top = (s.scrollTop + y) / h;
  i.style.maxWidth = i.style.maxHeight = width ? 'none' : '';
  i.style.width = width ? width + 'px' : i.dataset.fit ? i.dataset.fit + 'px' : '';
  s.classList.toggle('cp-small', i.clientWidth >= 2 * (i.naturalWidth || 1));
  s.scrollLeft = left * i.clientWidth - x; s.scrollTop = top * i.clientHeight - y;
  v.querySelector('.cp-zoom').textContent = Math.round(100 * i.clientWidth / full) + '%';
};
const zoom = (factor, x = s.clientWidth / 2, y = s.clientHeight / 2) =>
  size(Math.min(Math.max(i.clientWidth * factor, 16), 60 * full, 16000), x, y);
const at = () => {
  const r = i.getBoundingClientRect();
  const x = Math.floor((event.clientX - r.left) / r.width * full), y = Math.floor((event.clientY - r.top) / r.height * tall);
  return x >= 0 && y >= 0 && x < full && y < tall ? [x, y] : null;
};
const read = (x, y) => {
  if (!v.still) {
    const c = document.createElement('canvas');
    c.width = i.naturalWidth; c.height = i.naturalHeight;
    v.still = c.getContext('2d', {willReadFrequently: true});
    v.still.drawImage(i, 0, 0);
  }
  const c = v.still.canvas;
  return v.still.getImageData(Math.floor((x + .5) / full * c.width), Math.floor((y + .5) / tall * c.height), 1, 1).data;
};
const tell = (x, y) => {
  const p = v.querySelector('.cp-pixel'), d = i.dataset;
  try {
    const [r, g, b, a] = read(x, y), about = d.exact ? '' : 'about ';
    let words = r === g && g === b ? `${r}` : `red ${r}, green ${g}, blue ${b}`;
    if (d.low) words = (+d.low + (d.high - d.low) * r / 255).toPrecision(4);
    if (a < 255) words += `, ${Math.round(a / 2.55)}% opaque`;
    p.textContent = `x ${x}, y ${y}: ${about}${words}`;
    const swatch = document.createElement('span');
    swatch.className = 'cp-swatch'; swatch.style.background = `rgb(${r} ${g} ${b} / ${a / 255})`;
    p.prepend(swatch);
  } catch { p.textContent = `x ${x}, y ${y}`; }
};
const act = event.target.closest('[data-act]')?.dataset.act, e = event;
if (e.type === 'click' && act === 'in') zoom(1.5);
else if (e.type === 'click' && act === 'out') zoom(1 / 1.5);
else if (e.type === 'click' && act === 'fit') size(0, 0, 0);
else if (e.type === 'click' && act === 'full') size(full, s.clientWidth / 2, s.clientHeight / 2);
else if (e.type === 'click' && act === 'play') {
  const button = e.target.closest('button'), moves = i.src === button.dataset.moving;
  try { read(0, 0); } catch {}
  i.dataset.still ||= i.src;
  i.src = moves ? i.dataset.still : button.dataset.moving;
  button.textContent = moves ? 'Play' : 'Stop';
} else if (e.type === 'keydown' && e.target === s && '+=-'.includes(e.key)) {
  zoom(e.key === '-' ? 1 / 1.5 : 1.5); e.preventDefault(); e.stopPropagation();
} else if (e.type === 'wheel' && (e.ctrlKey || e.metaKey) && s.contains(e.target)) {
  const r = s.getBoundingClientRect();
  zoom(e.deltaY < 0 ? 1.2 : 1 / 1.2, e.clientX - r.left, e.clientY - r.top); e.preventDefault();
} else if (e.type === 'pointerdown' && e.button === 0 && s.contains(e.target)) {
  v.held = [e.clientX, e.clientY, s.scrollLeft, s.scrollTop];
  if (e.pointerType === 'mouse') { s.setPointerCapture(e.pointerId); e.preventDefault(); s.focus({preventScroll: true}); }
} else if (e.type === 'pointermove' && s.contains(e.target)) {
  if (v.held && e.pointerType === 'mouse' && e.buttons) {
    s.scrollLeft = v.held[2] - e.clientX + v.held[0]; s.scrollTop = v.held[3] - e.clientY + v.held[1];
  }
  const place = at();
  if (place) tell(...place);
} else if (e.type === 'pointerup' && v.held) {
  const place = at(), moved = Math.abs(e.clientX - v.held[0]) + Math.abs(e.clientY - v.held[1]) > 4;
  v.held = null;
  const field = v.closest('.cp-image-view')?.querySelector('.cp-signal input');
  if (place && !moved) {
    tell(...place);
    if (field) {
      field.value = `pixel ${place[0]} ${place[1]} ${Date.now()}${Math.random()}`;
      field.dispatchEvent(new Event('input', {bubbles: true}));
    }
  }
}
