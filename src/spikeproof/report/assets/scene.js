/* What the viewer draws: one recording as a cloud of events in a box whose long side is time, the
   camera's view of one moment, and the strip of event rates. Plain canvas, no dependency. */
"use strict";
const LAYERS = ["off", "on", "added", "removed", "moved"];

/* Columns of an example (see embed.py), with box coordinates: a time, b up, c sensor column. */
const unpackExample = (() => {
  const MOVED = LAYERS.indexOf("moved");
  const LONG = 1.5; // half length of the time axis; the sensor's longer side is 1
  const STRIP_BINS = 120;

  function column(text, Type) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return new Type(bytes.buffer);
  }

  function unpack(data) {
    const x = column(data.x, Uint16Array), y = column(data.y, Uint16Array);
    const t = column(data.t, Uint32Array), layer = column(data.layer, Uint8Array);
    const n = t.length, size = Math.max(data.width, data.height), span = Math.max(data.duration, 1);
    const a = new Float32Array(n), b = new Float32Array(n), c = new Float32Array(n);
    const from = new Float64Array(n).fill(-1);
    const came = data.from ? column(data.from, Uint32Array) : [];
    for (let i = 0, k = 0; i < n; i++) {
      a[i] = (t[i] / span * 2 - 1) * LONG;
      b[i] = (data.height / 2 - y[i] - 0.5) / size;
      c[i] = (x[i] + 0.5 - data.width / 2) / size;
      if (layer[i] === MOVED) from[i] = came[k++];
    }
    const bars = LAYERS.map(() => new Uint32Array(STRIP_BINS));
    for (let i = 0; i < n; i++) bars[layer[i]][Math.min(STRIP_BINS - 1, Math.floor(t[i] / span * STRIP_BINS))]++;
    return { ...data, x, y, t, layer, from, a, b, c, n, size, span, bars,
             trail: span / 12, depth: new Float32Array(n), order: new Uint32Array(n) };
  }
  return Object.assign(unpack, { LONG });
})();

/* `state`: now (µs), yaw, pitch (rad), zoom, lens (distance), show (per layer), side (clean, both, attacked). */
function makeScene({ stage, camera, strip, look }, palette, state) {
  const [, , ADDED, REMOVED, MOVED] = LAYERS.keys();
  const SHADES = 24, EDGE = makeScene.EDGE, LONG = unpackExample.LONG;
  let item = null;

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const mix = (a, b, part) =>
    `rgb(${rgb(a).map((v, i) => Math.round(v + (rgb(b)[i] - v) * part)).join()})`;
  // colour of a layer by how far it recedes into the paper
  const shades = LAYERS.map((name, layer) => Array.from({ length: SHADES }, (_, i) =>
    mix(palette[name], palette.paper, (i / SHADES) * (layer >= ADDED ? 0.45 : 0.8))));

  const visible = (layer) => state.show[layer] &&
    !(layer === ADDED && state.side === "clean") && !(layer === REMOVED && state.side === "attacked");
  const whole = () => state.now >= item.span;
  const recent = (t) => whole() || t > state.now - item.trail;

  function fit(canvas) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const w = Math.round(canvas.clientWidth * ratio), h = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, w, h);
    return { pen, w, h, ratio };
  }

  /* Box coordinates to canvas: x, y, depth, pixels per unit. The box always fits at zoom 1. */
  function projector(w, h, W, H, ratio) {
    const cy = Math.cos(state.yaw), sy = Math.sin(state.yaw);
    const cp = Math.cos(state.pitch), sp = Math.sin(state.pitch);
    const raw = (a, b, c) => {
      const away = c * cy - a * sy, deep = away * cp - b * sp, near = state.lens / (state.lens + deep);
      return [(a * cy + c * sy) * near, -(b * cp + away * sp) * near, deep, near];
    };
    const corners = [];
    for (const a of [-LONG, LONG]) for (const b of [-H, H]) for (const c of [-W, W]) corners.push(raw(a, b, c));
    const [left, right] = [Math.min, Math.max].map((f) => f(...corners.map((p) => p[0])));
    const [top, bottom] = [Math.min, Math.max].map((f) => f(...corners.map((p) => p[1])));
    const margin = 26 * ratio;
    const scale = state.zoom *
      Math.min((w - 2 * margin) / (right - left), (h - 2.6 * margin) / (bottom - top));
    return (a, b, c) => {
      const [u, v, deep, near] = raw(a, b, c);
      return [w / 2 + (u - (left + right) / 2) * scale,
              h / 2 + (v - (top + bottom) / 2) * scale, deep, near * scale];
    };
  }

  function drawStage() {
    const { pen, w, h, ratio } = fit(stage);
    const W = item.width / item.size / 2, H = item.height / item.size / 2;
    const at = projector(w, h, W, H, ratio);
    const path = (points, close) => {
      pen.beginPath();
      points.forEach((p, i) => { const [u, v] = at(...p); if (i) pen.lineTo(u, v); else pen.moveTo(u, v); });
      if (close) pen.closePath();
      pen.stroke();
    };
    const frame = (a) => [[a, H, -W], [a, H, W], [a, -H, W], [a, -H, -W]];
    pen.lineWidth = ratio;
    pen.strokeStyle = palette.rule;
    path(frame(-LONG), true);
    path(frame(LONG), true);
    for (const [b, c] of [[H, -W], [H, W], [-H, W], [-H, -W]]) path([[-LONG, b, c], [LONG, b, c]]);
    drawTicks(pen, at, ratio, W, H);
    const order = sortByDepth(at);
    drawEvents(pen, at, ratio, order, (layer) => layer < ADDED);
    drawEvents(pen, at, ratio, order, (layer) => layer >= ADDED);
    if (!whole()) {
      const a = (state.now / item.span * 2 - 1) * LONG;
      pen.strokeStyle = palette.ink;
      pen.lineWidth = 1.25 * ratio;
      path(frame(a), true);
      pen.globalAlpha = 0.05;
      pen.fillStyle = palette.ink;
      pen.fill();
      pen.globalAlpha = 1;
    }
  }

  function drawTicks(pen, at, ratio, W, H) {
    pen.fillStyle = palette.muted;
    pen.font = `${11 * ratio}px system-ui, sans-serif`;
    pen.textAlign = "center";
    const flat = Math.abs(Math.cos(state.yaw)) < 0.25; // time is seen end on
    const steps = flat ? 0 : 3;
    for (let i = 0; i <= steps && !flat; i++) {
      const [u, v] = at((i / steps * 2 - 1) * LONG, -H, -W);
      pen.fillText(`${Math.round(item.span / 1000 * i / steps)} ms`, u, v + 16 * ratio);
    }
    if (flat) {
      const [u, v] = at(LONG, -H, 0);
      pen.fillText("x", u, v + 16 * ratio);
    }
    const [u, v] = at(flat ? LONG : -LONG, 0, -W);
    pen.fillText("y", u - 12 * ratio, v);
  }

  function sortByDepth(at) {
    const { n, a, b, c, depth, order } = item;
    const starts = new Uint32Array(SHADES + 1);
    const bucket = (z) => Math.max(0, Math.min(SHADES - 1, Math.floor((1.9 - z) / 3.8 * SHADES)));
    for (let i = 0; i < n; i++) { depth[i] = at(a[i], b[i], c[i])[2]; starts[bucket(depth[i]) + 1]++; }
    for (let k = 0; k < SHADES; k++) starts[k + 1] += starts[k];
    for (let i = 0; i < n; i++) order[starts[bucket(depth[i])]++] = i;
    return order;
  }

  function drawEvents(pen, at, ratio, order, wanted) {
    const limit = (v, low, high) => Math.max(low * ratio, Math.min(high * ratio, v));
    for (const i of order) {
      const layer = item.layer[i];
      if (!wanted(layer) || !visible(layer)) continue;
      const came = item.from[i];
      const seen = item.t[i] <= state.now && !(layer === MOVED && state.side === "clean");
      const left = came >= 0 && came <= state.now && state.side !== "attacked";
      if (!seen && !left) continue;
      const [u, v, z, scale] = at(item.a[i], item.b[i], item.c[i]);
      const far = Math.max(0, Math.min(0.5, (z + 1.4) / 6)) + (recent(item.t[i]) ? 0 : 0.42);
      const shade = shades[layer][Math.min(SHADES - 1, Math.floor(far * SHADES))];
      const pixel = scale / item.size;
      if (layer < ADDED) {
        const d = limit(pixel * 0.34, 1.5, 5);
        pen.fillStyle = shade;
        pen.fillRect(u - d / 2, v - d / 2, d, d);
        continue;
      }
      const r = limit(pixel * 0.32, 2.2, 5);
      pen.strokeStyle = pen.fillStyle = shade;
      pen.lineWidth = 1.4 * ratio;
      if (left) {
        const [u0, v0] = at((came / item.span * 2 - 1) * LONG, item.b[i], item.c[i]);
        pen.beginPath();
        pen.arc(u0, v0, r * 0.8, 0, 7);
        if (seen) { pen.moveTo(u0, v0); pen.lineTo(u, v); }
        pen.stroke();
      }
      if (!seen) continue;
      pen.beginPath();
      pen.arc(u, v, r, 0, 7);
      if (layer === REMOVED) pen.stroke(); else pen.fill(); // a ring where an event is gone
    }
  }

  function drawCamera() {
    const { pen, w, h } = fit(camera);
    const { width, height, n, x, y, t, layer } = item;
    const kept = [new Uint16Array(width * height), new Uint16Array(width * height)];
    const top = new Uint8Array(width * height);
    for (let i = 0; i < n; i++) {
      if (t[i] > state.now || !recent(t[i]) || !visible(layer[i])) continue;
      if (layer[i] === MOVED && state.side === "clean") continue;
      const k = y[i] * width + x[i];
      if (layer[i] < ADDED) kept[layer[i]][k]++;
      else top[k] = Math.max(top[k], { [ADDED]: 3, [MOVED]: 2, [REMOVED]: 1 }[layer[i]]);
    }
    const image = new ImageData(width, height), scale = whole() ? 12 : 1.5;
    for (let k = 0; k < width * height; k++) {
      const total = kept[0][k] + kept[1][k];
      const part = Math.max(0, Math.min(1, 0.5 + 3 * (total ? kept[1][k] / total - 0.5 : 0)));
      const loud = ["", "removed", "moved", "added"][top[k]];
      const end = rgb(palette[part < 0.5 ? "off" : "on"]), away = Math.abs(2 * part - 1);
      const colour = loud ? rgb(palette[loud]) : rgb(palette.both).map((v, i) => v + (end[i] - v) * away);
      image.data.set([...colour, 255 * (loud ? 1 : 1 - Math.exp(-total / scale))], 4 * k);
    }
    const small = Object.assign(document.createElement("canvas"), { width, height });
    small.getContext("2d").putImageData(image, 0, 0);
    const side = Math.min(w / width, h / height);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, (w - side * width) / 2, (h - side * height) / 2, side * width, side * height);
    look.textContent = whole() ? "all events" : `last ${Math.round(item.trail / 1000)} ms`;
  }

  function drawStrip() {
    const { pen, w, h, ratio } = fit(strip);
    const edge = EDGE * ratio, bins = item.bars[0].length, step = (w - 2 * edge) / bins, floor = h * 0.66;
    const kept = item.bars[0].map((v, i) => v + item.bars[1][i]);
    const tall = Math.max(1, ...kept);
    const loud = Math.max(1, ...[ADDED, REMOVED, MOVED].flatMap((k) => [...item.bars[k]]));
    for (let i = 0; i < bins; i++) {
      const u = edge + i * step, bar = (name, from, height) => {
        pen.fillStyle = palette[name];
        pen.fillRect(u, from, Math.max(step - ratio * 0.75, 1), height);
      };
      pen.globalAlpha = (i + 0.5) / bins * item.span <= state.now ? 0.55 : 0.2;
      bar("on", floor - kept[i] / tall * floor, kept[i] / tall * floor);
      pen.globalAlpha = 1;
      let down = floor + 2 * ratio;
      for (const k of [ADDED, MOVED, REMOVED]) {
        const size = visible(k) ? item.bars[k][i] / loud * (h - floor - 2 * ratio) / 2 : 0;
        bar(LAYERS[k], down, size);
        down += size;
      }
    }
    const u = edge + state.now / item.span * (w - 2 * edge);
    pen.fillStyle = palette.ink;
    pen.fillRect(u - ratio / 2, 0, ratio, h);
  }

  return (example) => {
    item = example;
    drawStage();
    drawCamera();
    drawStrip();
  };
}
makeScene.EDGE = 8; // CSS pixels between the strip's ends and time's; half a slider's thumb
