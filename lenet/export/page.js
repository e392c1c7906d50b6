// The page: a pen on a canvas, or a picture, and every layer's channels.

const network = buildNetwork(NETWORK);
const judge = JUDGE && buildNetwork(JUDGE); // tells digits from other marks
const pad = document.getElementById("pad"); // what is seen, as sharp as the device
const sheet = document.createElement("canvas"); // the same in 280 × 280, which the network reads
const SIDE = sheet.width = sheet.height = 280;
const CONTEXTS = [pad, sheet].map((each) => each.getContext("2d", {willReadFrequently: true}));
const cursor = document.getElementById("cursor");
const penWidth = document.getElementById("width"); // of 280
const UNSURE = 0.9; // below this probability, on average over turned copies
const SEVERAL = 0.15; // another mark of this share of the read one's weight is more than a speck
const DOT = 1.5; // times the pen's width: a mark of this side is no digit yet
const TURNS = [-15, -8, 8, 15]; // degrees
let drawn = []; // strokes {width, points} and pictures, in order
let isDrawing = false;
let place = {x: SIDE / 2, y: SIDE / 2}; // the keyboard's pen
let penIsDown = false;
let waiting = false;
let fitted = null; // where nothing is drawn: the picture's pixels as the network takes them
const CLASSES = NETWORK.classes;
const MOST = 12; // of more classes, the most probable are listed
const SIDE_IN_MIND = 8; // times the image's side: larger pictures are reduced to it first

function scaleOf(context) {
  return context.canvas.width / SIDE;
}

function redraw() {
  for (const context of CONTEXTS) {
    context.fillStyle = "white";
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    for (const item of drawn) {
      if (item.picture) context.drawImage(item.picture, 0, 0, context.canvas.width, context.canvas.width);
      else item.points.forEach((point, i) => drawLine(context, item, i));
    }
  }
  requestUpdate();
}

// The line to a stroke's point i from the one before; a tap is a dot.
function drawLine(context, {points, width}, i) {
  const scale = scaleOf(context), to = points[i], from = points[Math.max(i - 1, 0)];
  context.strokeStyle = "black";
  context.lineWidth = width * scale;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(from.x * scale, from.y * scale);
  context.lineTo((to.x + (i ? 0 : 0.01)) * scale, to.y * scale);
  context.stroke();
}

function begin(point) {
  isDrawing = true;
  drawn.push({width: Number(penWidth.value), points: []});
  drawTo(point);
}

function drawTo(point) {
  const stroke = drawn.at(-1);
  stroke.points.push(point);
  for (const context of CONTEXTS) drawLine(context, stroke, stroke.points.length - 1);
  requestUpdate();
}

function lift() {
  isDrawing = penIsDown = false;
}

function clearPad() {
  lift();
  drawn = [];
  redraw();
}

function undo() {
  lift();
  drawn.pop();
  redraw();
}

function requestUpdate() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(update);
}

function readInk() {
  const {data} = CONTEXTS[1].getImageData(0, 0, SIDE, SIDE);
  return Float64Array.from({length: data.length / 4}, (_, i) => 1 - data[4 * i] / 255);
}

function update() {
  waiting = false;
  if (!NETWORK.draws) {
    const {channels, side} = NETWORK.image;
    const result = network.run(fitted ?? new Float64Array(channels * side * side));
    window.lenet.last = {ink: fitted, ...result};
    show(result, fitted && {steady: Math.max(...result.probabilities) >= 0.5 ? 1 : 0});
    return;
  }
  const ink = digitize(readInk(), SIDE, SIDE);
  const result = network.run(ink ?? new Float64Array(FIELD * FIELD));
  window.lenet.last = {ink, ...result};
  show(result, ink && {
    other: judge ? judge.run(ink).probabilities[JUDGE.classes.indexOf(OTHER)] : 0,
    steady: steadiness(ink, result.probabilities),
    ...lookAtMarks(readInk()),
  });
}

// Whether the mark that is read is hardly more than a dot of the pen, and whether another one is
// heavy enough to be a digit of its own.
function lookAtMarks(ink) {
  const [first, ...others] = groupMarks(labelMarks(ink, SIDE, SIDE).boxes, SIDE, SIDE);
  const side = Math.max(first.bottom - first.top, first.right - first.left);
  return {
    small: side < DOT * penWidth.value,
    several: others.some((group) => group.weight >= SEVERAL * first.weight),
  };
}

// The best class's mean probability over copies that are turned a little: what is no digit, an X
// for example, is often sure of a class in one position only.
function steadiness(ink, probabilities) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  const found = TURNS.map((degrees) => network.run(turn(ink, degrees)).probabilities[best]);
  return found.reduce((sum, p) => sum + p, probabilities[best]) / (found.length + 1);
}

function turn(ink, degrees) {
  const cos = Math.cos(degrees * Math.PI / 180), sin = Math.sin(degrees * Math.PI / 180);
  const middle = (FIELD - 1) / 2;
  const at = (y, x) => (x < 0 || y < 0 || x >= FIELD || y >= FIELD ? 0 : ink[y * FIELD + x]);
  return ink.map((_, i) => {
    const v = Math.floor(i / FIELD) - middle, u = i % FIELD - middle;
    const y = cos * v - sin * u + middle, x = sin * v + cos * u + middle;
    const top = Math.floor(y), left = Math.floor(x), below = y - top, right = x - left;
    return (1 - below) * ((1 - right) * at(top, left) + right * at(top, left + 1))
      + below * ((1 - right) * at(top + 1, left) + right * at(top + 1, left + 1));
  });
}

// Channels stand in two rows, many in four.
function columnsOf(channels) {
  return Math.ceil(channels / (channels > 24 ? 4 : 2));
}

// Screen pixels per state: fewer where rows of channels would be too wide.
function zoomOf({channels, side}) {
  if (channels <= 3 && side > 1) return Math.max(1, Math.floor(128 / side));
  let zoom = side >= 10 ? 3 : 4;
  while (zoom > 1 && columnsOf(channels) * (side + 1) * zoom > 420) zoom--;
  return zoom;
}

function show({states, probabilities}, seen) {
  const shown = ["input", ...network.layers.slice(0, -1).map(({name}) => name)];
  shown.forEach((name, i) => {
    const canvas = document.getElementById(`map-${i}`), state = states[name];
    if (i === 0) drawInput(canvas, state);
    else if (state.side > 1) drawMaps(canvas, state, zoomOf(state));
    else drawUnits(canvas, state.values);
  });
  const order = probabilities.map((_, k) => k).sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = order;
  const format = (probability) => `${(100 * probability).toFixed(1)}\u00a0%`; // on one line
  const percent = (k) => format(probabilities[k]);
  const isOther = seen?.other >= NO_DIGIT;
  const isUnsure = seen && !isOther
    && (seen.steady < UNSURE || seen.other > 1 - UNSURE || seen.several || seen.small);
  const digit = document.getElementById("digit");
  digit.textContent = !seen || isOther ? "–" : CLASSES[first];
  digit.classList.toggle("long", Boolean(seen) && CLASSES[first].length > 2);
  digit.classList.toggle("unsure", Boolean(isUnsure));
  const next = probabilities[second] < 0.0005 ? "" : `, then ${CLASSES[second]} with ${percent(second)}`;
  const verdict = percent(first) + next;
  const words = !seen ? (NETWORK.draws ? "draw a digit" : "no picture yet")
    : seen.small ? "too small to read"
      : isOther ? `no digit: ${format(seen.other)}, nearest ${CLASSES[first]}`
        : seen.several ? `several marks? only the heaviest is read: ${verdict}`
          : !isUnsure ? verdict
            : seen.other > 1 - UNSURE ? `unsure: no digit with ${format(seen.other)}`
              : probabilities[first] < UNSURE ? `unsure: ${verdict}`
                : `unsure: ${format(seen.steady)} when tilted a little, ${percent(first)} upright`;
  document.getElementById("certainty").textContent = words;
  announce(seen && !isOther ? `${isUnsure ? "perhaps " : ""}${CLASSES[first]}. ${words}` : words);
  for (let k = 0; k < CLASSES.length; k++) {
    const row = document.getElementById(`output-${k}`);
    row.classList.toggle("best", Boolean(seen) && !isOther && k === first);
    if (CLASSES.length > MOST) {
      row.style.order = order.indexOf(k);
      row.hidden = order.indexOf(k) >= MOST;
    }
    row.querySelector("i").style.width = `${seen ? 100 * probabilities[k] : 0}%`;
    row.querySelector("span").textContent = seen ? percent(k) : "";
    row.querySelector("div").title = `${NETWORK.outputs === "penalties" ? "distance" : "logit"} ${states[network.layers.at(-1).name].values[k].toFixed(1)}`;
  }
}

let toSay;
// Screen readers hear the verdict when the pen rests, not at each of its steps.
function announce(words) {
  clearTimeout(toSay);
  toSay = setTimeout(() => { document.getElementById("spoken").textContent = words; }, 700);
}

// Grey levels: the layer's lowest state is black, its highest white; channels stand side by side.
function drawMaps(canvas, {channels, side, values}, zoom) {
  const columns = columnsOf(channels);
  const rows = Math.ceil(channels / columns), gap = 1;
  canvas.width = columns * (side + gap) - gap;
  canvas.height = rows * (side + gap) - gap;
  canvas.style.width = `calc(var(--zoom, 1) * ${canvas.width * zoom}px)`;
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

// The image as the network takes it: in its colours if it has three channels.
function drawInput(canvas, state) {
  if (state.channels === 1) {
    drawMaps(canvas, state, zoomOf(state));
    return;
  }
  const {side, values} = state, area = side * side, image = new ImageData(side, side);
  for (let i = 0; i < area; i++) {
    for (let m = 0; m < 3; m++) {
      const [low, high] = NETWORK.levels[m % NETWORK.levels.length];
      image.data[4 * i + m] = Math.round(255 * (values[m * area + i] - low) / (high - low));
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.width = canvas.height = side;
  canvas.style.width = `calc(var(--zoom, 1) * ${side * zoomOf(state)}px)`;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function drawUnits(canvas, values) {
  const columns = values.length === 84 ? 7 : values.length <= 150 ? 15 : Math.ceil(Math.sqrt(2 * values.length));
  drawGrid(canvas, values, Math.min(columns, values.length), values.length <= 150 ? 12 : 6);
}

// Units without a place, as cells of a grid; F6's 84 are a bitmap of 7 × 12.
function drawGrid(canvas, values, columns, zoom, grey = greys(values)) {
  canvas.width = columns;
  canvas.height = Math.ceil(values.length / columns);
  canvas.style.width = `calc(var(--zoom, 1) * ${columns * zoom}px)`;
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
  list.classList.toggle("many", CLASSES.length > MOST);
  list.classList.toggle("named", CLASSES.some((name) => name.length > 2));
  for (let k = 0; k < CLASSES.length; k++) {
    const row = document.createElement("li");
    row.id = `output-${k}`;
    row.innerHTML = "<b></b><div><i></i></div><span></span>";
    row.querySelector("b").textContent = CLASSES[k];
    if (last.kind === "distance") { // 1998: F6 is compared with ten drawn bitmaps
      const target = document.createElement("canvas");
      target.setAttribute("aria-hidden", "true");
      row.prepend(target);
      drawGrid(target, last.weight.subarray(84 * k, 84 * k + 84), 7, 4, greys([-1, 1]));
    }
    list.append(row);
  }
}

function pointOf(event) {
  const box = pad.getBoundingClientRect();
  return {
    x: (event.clientX - box.left) * SIDE / box.width,
    y: (event.clientY - box.top) * SIDE / box.height,
  };
}

pad.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  if (!event.isPrimary) return; // a second finger, or a palm
  pad.setPointerCapture(event.pointerId);
  begin(pointOf(event));
});
pad.addEventListener("pointermove", (event) => {
  if (isDrawing && event.buttons && event.isPrimary) {
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const e of passed.length ? passed : [event]) drawTo(pointOf(e));
  }
});
pad.addEventListener("pointerup", lift);
pad.addEventListener("pointercancel", lift);

// Without a pointer: arrows move the pen, space lowers and lifts it, Delete clears.
const ARROWS = {ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0]};
pad.addEventListener("keydown", (event) => {
  const move = ARROWS[event.key];
  if (move) {
    const rim = Number(penWidth.value);
    const inside = (v) => Math.min(Math.max(v, rim), SIDE - rim);
    place = {x: inside(place.x + 8 * move[0]), y: inside(place.y + 8 * move[1])};
    if (penIsDown) drawTo(place);
  } else if (event.key === " ") {
    if (penIsDown) {
      lift();
    } else {
      begin(place);
      penIsDown = true;
    }
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clearPad();
  } else {
    return;
  }
  event.preventDefault();
  showCursor();
});
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    undo();
  }
});

function showCursor() {
  cursor.hidden = document.activeElement !== pad || !pad.matches(":focus-visible");
  cursor.classList.toggle("down", penIsDown);
  cursor.style.left = `${100 * place.x / SIDE}%`;
  cursor.style.top = `${100 * place.y / SIDE}%`;
}
pad.addEventListener("focus", showCursor);
pad.addEventListener("blur", showCursor);
document.getElementById("clear").addEventListener("click", clearPad);
document.getElementById("undo").addEventListener("click", undo);

// A picture that is dropped or pasted: what differs from its rim becomes black ink on white.
async function takePicture(file) {
  if (!file?.type.startsWith("image/")) return;
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    document.getElementById("certainty").textContent = "this picture cannot be read";
    return;
  }
  if (!NETWORK.draws) {
    fitted = fitPicture(image);
    const seen = document.getElementById("picture");
    seen.src = shownAs(image);
    seen.hidden = false;
    requestUpdate();
    return;
  }
  const picture = document.createElement("canvas");
  picture.width = picture.height = SIDE;
  const context = picture.getContext("2d", {willReadFrequently: true});
  const scale = SIDE / Math.max(image.width, image.height);
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const left = Math.floor((SIDE - width) / 2), top = Math.floor((SIDE - height) / 2);
  context.fillStyle = "white"; // beneath what is transparent
  context.fillRect(0, 0, SIDE, SIDE);
  context.drawImage(image, left, top, width, height);
  const pixels = context.getImageData(left, top, width, height), {data} = pixels;
  const grey = Float64Array.from(
    {length: width * height}, (_, i) => 0.3 * data[4 * i] + 0.59 * data[4 * i + 1] + 0.11 * data[4 * i + 2],
  );
  const rim = grey.filter((_, i) => {
    const x = i % width, y = Math.floor(i / width);
    return x === 0 || y === 0 || x === width - 1 || y === height - 1;
  }).sort();
  const ground = rim[rim.length >> 1];
  const gaps = grey.map((v) => Math.abs(v - ground));
  const most = Math.max(32, gaps.toSorted()[Math.floor(0.99 * gaps.length)]);
  gaps.forEach((gap, i) => {
    const ink = Math.min(Math.max((gap / most - 0.25) / 0.5, 0), 1);
    data.fill(Math.round(255 * (1 - ink)), 4 * i, 4 * i + 3);
  });
  context.fillRect(0, 0, SIDE, SIDE);
  context.putImageData(pixels, left, top);
  lift();
  drawn = [{picture}];
  redraw();
}

// A canvas with a picture on white, with no side longer than `most` pixels.
function reduce(image, most) {
  const scale = Math.min(1, most / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// A small copy, as a data URL: the page may load nothing else.
function shownAs(image) {
  return reduce(image, 2 * SIDE).toDataURL();
}

// The whole picture stretched to the network's image, as `lenet predict` does it.
function fitPicture(image) {
  const {channels, side} = NETWORK.image;
  const canvas = reduce(image, SIDE_IN_MIND * side), {width, height} = canvas;
  const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  const level = channels === 1
    ? (i) => Math.round(0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2])
    : (i, m) => data[i + m];
  const fitted = new Float64Array(channels * side * side);
  for (let m = 0; m < channels; m++) {
    const values = Float64Array.from({length: width * height}, (_, i) => level(4 * i, m));
    fitted.set(resize(values, width, height, side), m * side * side);
  }
  return fitted.map((v) => Math.round(v) / 255);
}
document.getElementById("file").addEventListener("change", (event) => takePicture(event.target.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.getElementById("drop").classList.add("over");
});
document.addEventListener("dragleave", () => document.getElementById("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.getElementById("drop").classList.remove("over");
  takePicture(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => takePicture(event.clipboardData.files[0]));

// As many screen pixels as the device has, and layers as large as the window lets them be.
function fit() {
  const side = Math.round(SIDE * (window.devicePixelRatio || 1));
  if (pad.width !== side) {
    pad.width = pad.height = side;
    redraw();
  }
  const root = document.documentElement.style;
  for (let zoom = 1.3; zoom >= 0.35; zoom -= 0.05) {
    root.setProperty("--zoom", zoom.toFixed(2));
    if (document.documentElement.scrollHeight <= window.innerHeight) return;
  }
  root.setProperty("--zoom", window.innerWidth < 700 ? 1 : 0.6); // it scrolls anyway
}
window.addEventListener("resize", fit);

window.lenet = {run: network.run, digitize, takePicture};
buildOutputs();
redraw();
update();
fit();
