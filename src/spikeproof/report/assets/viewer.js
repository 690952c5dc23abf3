/* The viewer's controls. Each is an ordinary form element; the picture itself also takes keys. */
(() => {
  "use strict";
  const source = document.getElementById("viewer-data");
  const root = document.getElementById("viewer");
  if (!source || !root) return;
  const { palette, examples } = JSON.parse(source.textContent);
  const $ = (name) => root.querySelector(`[data-v="${name}"]`);
  const stage = $("stage"), strip = $("strip"), slider = $("time");
  const HOME = { yaw: 0.62, pitch: 0.34, zoom: 1, lens: 5 };
  const VIEWS = { oblique: HOME, front: { yaw: Math.PI / 2, pitch: 0, zoom: 1, lens: 60 },
                  side: { yaw: 0, pitch: 0, zoom: 1, lens: 60 } };
  const state = { ...HOME, now: 0, playing: false, show: LAYERS.map(() => true), side: "both" };
  const drawScene = makeScene(
    { stage, strip, camera: $("camera"), look: $("camera-what") }, palette, state);
  let item = null, dirty = false, last = 0;

  function draw() {
    dirty = false;
    const text = `${(state.now / 1000).toFixed(0)} of ${(item.span / 1000).toFixed(0)} ms`;
    slider.value = state.now;
    slider.setAttribute("aria-valuetext", text);
    $("clock").textContent = text;
    drawScene(item);
  }
  const whole = () => state.now >= item.span;
  const redraw = () => { if (!dirty) { dirty = true; requestAnimationFrame(draw); } };

  function tick(time) {
    if (!state.playing) return;
    state.now += Math.min(time - last, 100) * 1000 * Number($("speed").value);
    last = time;
    if (state.now >= item.span) { state.now = item.span; play(false); }
    redraw();
    if (state.playing) requestAnimationFrame(tick);
  }

  function play(on) {
    state.playing = on;
    $("play").textContent = on ? "❚❚ Pause" : "▶ Play";
    if (!on) return;
    if (whole()) state.now = 0;
    last = performance.now();
    requestAnimationFrame(tick);
  }

  function choose(k) {
    play(false);
    item = unpackExample(examples[k]);
    state.now = item.span;
    slider.max = item.span;
    $("caption").textContent = item.caption;
    for (const name of LAYERS) {
      const box = root.querySelector(`[data-layer="${name}"]`), count = item.counts[name];
      box.closest("label").querySelector(".count").textContent = count.toLocaleString("en").replaceAll(",", "\u202f");
      box.closest("label").classList.toggle("none", count === 0);
    }
    redraw();
  }

  function turn(view) { Object.assign(state, view); redraw(); }
  const zoom = (factor) => turn({ zoom: Math.max(0.4, Math.min(8, state.zoom * factor)) });
  const rotate = (dx, dy) => turn({
    lens: HOME.lens, yaw: state.yaw - dx, pitch: Math.max(-1.57, Math.min(1.57, state.pitch + dy)) });
  const seek = (t) => { state.now = Math.max(0, Math.min(item.span, t)); redraw(); };

  const touches = new Map();
  stage.addEventListener("pointerdown", (e) => {
    touches.set(e.pointerId, e);
    stage.setPointerCapture(e.pointerId);
  });
  stage.addEventListener("pointermove", (e) => {
    const before = touches.get(e.pointerId);
    if (!before) return;
    const other = [...touches.values()].find((p) => p.pointerId !== e.pointerId);
    const gap = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) + 1;
    if (other) zoom(gap(e) / gap(before));
    else rotate((e.clientX - before.clientX) / 160, (e.clientY - before.clientY) / 160);
    touches.set(e.pointerId, e);
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (e) => touches.delete(e.pointerId));
  stage.addEventListener("wheel", (e) => {
    if (document.activeElement !== stage && !e.ctrlKey) return; // the page scrolls until it is chosen
    e.preventDefault();
    zoom(Math.exp(-e.deltaY / 500));
  }, { passive: false });
  stage.addEventListener("keydown", (e) => {
    const keys = {
      ArrowLeft: () => rotate(-0.1, 0), ArrowRight: () => rotate(0.1, 0),
      ArrowUp: () => rotate(0, 0.1), ArrowDown: () => rotate(0, -0.1),
      "+": () => zoom(1.15), "=": () => zoom(1.15), "-": () => zoom(1 / 1.15),
      0: () => turn(HOME), " ": () => play(!state.playing),
      ",": () => seek(state.now - item.span / 100), ".": () => seek(state.now + item.span / 100),
    };
    if (!keys[e.key] || e.metaKey || e.ctrlKey || e.altKey) return;
    e.preventDefault();
    keys[e.key]();
  });
  const seekStrip = (e) => {
    const box = strip.getBoundingClientRect();
    play(false);
    seek((e.clientX - box.left - makeScene.EDGE) / (box.width - 2 * makeScene.EDGE) * item.span);
  };
  strip.addEventListener("pointerdown", (e) => { strip.setPointerCapture(e.pointerId); seekStrip(e); });
  strip.addEventListener("pointermove", (e) => { if (e.buttons) seekStrip(e); });
  slider.addEventListener("input", () => { play(false); seek(Number(slider.value)); });
  $("play").addEventListener("click", () => play(!state.playing));
  $("closer").addEventListener("click", () => zoom(1.25));
  $("farther").addEventListener("click", () => zoom(0.8));
  root.addEventListener("click", (e) => {
    const view = e.target.closest("[data-view]");
    if (view) turn(VIEWS[view.dataset.view]);
  });
  root.addEventListener("change", (e) => {
    const { layer, side, example } = e.target.dataset;
    if (layer) state.show[LAYERS.indexOf(layer)] = e.target.checked;
    if (side) state.side = side;
    if (example) choose(Number(example));
    else redraw();
  });
  for (const link of document.querySelectorAll("a[data-open]")) {
    link.addEventListener("click", () => {
      const radio = root.querySelector(`[data-example="${link.dataset.open}"]`);
      radio.checked = true;
      choose(Number(link.dataset.open));
    });
  }
  new ResizeObserver(redraw).observe(stage);
  root.classList.add("ready");
  choose(Number(root.querySelector("[data-example]:checked")?.dataset.example ?? 0));
})();
