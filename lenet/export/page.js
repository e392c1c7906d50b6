// The page: a pen on a canvas, and every layer's channels.

const network = buildNetwork(NETWORK, decodeWeights(WEIGHTS));
const pad = document.getElementById("pad");
const pen = pad.getContext("2d", {willReadFrequently: true});
const cursor = document.getElementById("cursor");
const WIDTH = 20; // px: the pen, on a pad of 280
let stroke = null; // the last point of the stroke being drawn
let place = {x: pad.width / 2, y: pad.height / 2}; // the keyboard's pen
let penIsDown = false;
let waiting = false;

function clearPad() {
  pen.fillStyle = "white";
  pen.fillRect(0, 0, pad.width, pad.height);
  stroke = null;
  penIsDown = false;
  update();
}

function drawTo(point) {
  const from = stroke ?? point;
  pen.strokeStyle = "black";
  pen.lineWidth = WIDTH;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.lineTo(point.x + (from === point ? 0.01 : 0), point.y); // a tap is a dot
  pen.stroke();
  stroke = point;
  if (!waiting) {
    waiting = true;
    requestAnimationFrame(update);
  }
}

function readInk() {
  const {data} = pen.getImageData(0, 0, pad.width, pad.height);
  return Float64Array.from({length: data.length / 4}, (_, i) => 1 - data[4 * i] / 255);
}

function update() {
  waiting = false;
  const ink = digitize(readInk(), pad.height, pad.width);
  const result = network.run(ink ?? new Float64Array(FIELD * FIELD));
  window.lenet.last = {ink, ...result};
  show(result, ink !== null);
}

const ZOOM = {input: 4, c1: 3, s2: 3, c3: 3, s4: 4}; // screen pixels per state

function show({states, probabilities}, hasInk) {
  for (const [name, state] of Object.entries(states)) {
    if (name in ZOOM) drawMaps(document.getElementById(`map-${name}`), state, ZOOM[name]);
  }
  drawGrid(document.getElementById("map-c5"), states.c5.values, 15, 12);
  drawGrid(document.getElementById("map-f6"), states.f6.values, 7, 12);
  const order = probabilities.map((_, k) => k).sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = order;
  const percent = (k) => `${(100 * probabilities[k]).toFixed(1)} %`;
  document.getElementById("digit").textContent = hasInk ? first : "–";
  document.getElementById("certainty").textContent = hasInk
    ? `${percent(first)}, then ${second} with ${percent(second)}`
    : "draw a digit";
  for (let k = 0; k < 10; k++) {
    const row = document.getElementById(`output-${k}`);
    row.classList.toggle("best", hasInk && k === first);
    row.querySelector("i").style.width = `${hasInk ? 100 * probabilities[k] : 0}%`;
    row.querySelector("span").textContent = states.output.values[k].toFixed(1);
  }
}

// Grey levels: the layer's lowest state is black, its highest white; channels stand side by side.
function drawMaps(canvas, {channels, side, values}, zoom) {
  const columns = Math.ceil(channels / 2); // two rows
  const rows = Math.ceil(channels / columns), gap = 1;
  canvas.width = columns * (side + gap) - gap;
  canvas.height = rows * (side + gap) - gap;
  canvas.style.width = `${canvas.width * zoom}px`;
  const image = new ImageData(canvas.width, canvas.height);
  const grey = greys(values);
  for (let m = 0; m < channels; m++) {
    const left = (m % columns) * (side + gap), top = Math.floor(m / columns) * (side + gap);
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
      const at = 4 * ((top + y) * canvas.width + left + x);
      image.data.fill(grey(values[(m * side + y) * side + x]), at, at + 3);
      image.data[at + 3] = 255;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Units without a place, as cells of a grid; F6's 84 are a bitmap of 7 × 12.
function drawGrid(canvas, values, columns, zoom, grey = greys(values)) {
  canvas.width = columns;
  canvas.height = Math.ceil(values.length / columns);
  canvas.style.width = `${columns * zoom}px`;
  const image = new ImageData(canvas.width, canvas.height);
  values.forEach((v, i) => {
    image.data.fill(grey(v), 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function greys(values) {
  const low = Math.min(...values), high = Math.max(...values);
  return (v) => Math.round(255 * (v - low) / (high - low || 1));
}

function buildOutputs() {
  const list = document.getElementById("outputs");
  const last = network.layers.at(-1).steps.at(-1);
  for (let k = 0; k < 10; k++) {
    const row = document.createElement("li");
    row.id = `output-${k}`;
    row.innerHTML = `<b>${k}</b><div><i></i></div><span></span>`;
    if (last.kind === "distance") { // 1998: F6 is compared with ten drawn bitmaps
      const target = document.createElement("canvas");
      target.setAttribute("aria-label", `bitmap of ${k}`);
      row.prepend(target);
      drawGrid(target, last.weight.subarray(84 * k, 84 * k + 84), 7, 2.5, greys([-1, 1]));
    }
    list.append(row);
  }
}

function pointOf(event) {
  const box = pad.getBoundingClientRect();
  return {
    x: (event.clientX - box.left) * pad.width / box.width,
    y: (event.clientY - box.top) * pad.height / box.height,
  };
}

pad.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  if (!event.isPrimary) return; // a second finger, or a palm
  pad.setPointerCapture(event.pointerId);
  stroke = null;
  drawTo(pointOf(event));
});
pad.addEventListener("pointermove", (event) => {
  if (stroke && event.buttons && event.isPrimary) {
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const e of passed.length ? passed : [event]) drawTo(pointOf(e));
  }
});
pad.addEventListener("pointerup", () => { stroke = null; });
pad.addEventListener("pointercancel", () => { stroke = null; });

// Without a pointer: arrows move the pen, space lowers and lifts it, Delete clears.
const ARROWS = {ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0]};
pad.addEventListener("keydown", (event) => {
  const move = ARROWS[event.key];
  if (move) {
    const inside = (v, limit) => Math.min(Math.max(v, WIDTH), limit - WIDTH);
    place = {
      x: inside(place.x + 8 * move[0], pad.width),
      y: inside(place.y + 8 * move[1], pad.height),
    };
    if (penIsDown) drawTo(place);
  } else if (event.key === " ") {
    penIsDown = !penIsDown;
    stroke = null;
    if (penIsDown) drawTo(place);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clearPad();
  } else {
    return;
  }
  event.preventDefault();
  showCursor();
});

function showCursor() {
  cursor.hidden = document.activeElement !== pad || !pad.matches(":focus-visible");
  cursor.classList.toggle("down", penIsDown);
  cursor.style.left = `${100 * place.x / pad.width}%`;
  cursor.style.top = `${100 * place.y / pad.height}%`;
}
pad.addEventListener("focus", showCursor);
pad.addEventListener("blur", showCursor);
document.getElementById("clear").addEventListener("click", clearPad);

window.lenet = {run: network.run, digitize};
buildOutputs();
clearPad();
