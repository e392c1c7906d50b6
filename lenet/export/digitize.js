// From a drawing to 28 × 28 ink: as lenet/reading/digitize.py does it, for black ink on white paper.
// The constants FIELD, FIT, CENTRE, FINE, THIN, STROKE, EDGE and HAZE are written above by page.py.

// ink: Float64Array of height × width, 0 to 1 → Float64Array of 784, or null if there is none.
function digitize(ink, height, width) {
  const {marks, boxes} = labelMarks(ink, height, width);
  const group = chooseGroup(boxes, height, width);
  if (!group) return null;
  const cut = cutGroup(ink, marks, group, height, width);
  return fitInk(cut.values, cut.height, cut.width);
}

// Number the connected marks, corners included; boxes[i] belongs to mark i + 1.
function labelMarks(ink, height, width) {
  const marks = new Int32Array(height * width);
  const boxes = [];
  const stack = [];
  for (let start = 0; start < ink.length; start++) {
    if (ink[start] <= 0.5 || marks[start]) continue;
    const box = {top: height, bottom: 0, left: width, right: 0, weight: 0, number: boxes.length + 1};
    boxes.push(box);
    marks[start] = box.number;
    stack.push(start);
    while (stack.length) {
      const at = stack.pop();
      const y = Math.floor(at / width), x = at % width;
      box.weight++;
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          const next = v * width + u;
          if (ink[next] > 0.5 && !marks[next]) {
            marks[next] = box.number;
            stack.push(next);
          }
        }
      }
    }
  }
  return {marks, boxes};
}

// The heaviest mark, with those that belong to it.
function chooseGroup(boxes, height, width) {
  return groupMarks(boxes, height, width)[0];
}

// Marks with those that belong to them, heaviest first; what touches the rim counts only if alone.
function groupMarks(boxes, height, width) {
  const touches = (b) => b.top === 0 || b.left === 0 || b.bottom === height || b.right === width;
  const sum = (chosen) => chosen.reduce((total, b) => total + b.weight, 0);
  const inner = boxes.filter((b) => !touches(b)), rim = boxes.filter(touches);
  const candidates = sum(inner) >= Math.max(12, 0.05 * sum(rim)) ? inner : boxes;
  const heaviest = Math.max(0, ...candidates.map((b) => b.weight));
  const order = candidates
    .filter((b) => b.weight >= 0.02 * heaviest)
    .sort((a, b) => b.weight - a.weight);
  const span = Math.max(...order.map((b) => b.bottom)) - Math.min(...order.map((b) => b.top));
  const groups = [];
  for (const b of order) {
    const near = groups.find((g) => gap(g, b) <= 0.12 * span);
    if (!near) {
      groups.push({...b, members: new Set([b.number])});
      continue;
    }
    near.top = Math.min(near.top, b.top);
    near.bottom = Math.max(near.bottom, b.bottom);
    near.left = Math.min(near.left, b.left);
    near.right = Math.max(near.right, b.right);
    near.members.add(b.number);
    near.weight += b.weight;
  }
  return groups;
}

function gap(a, b) {
  return Math.max(
    Math.max(a.top, b.top) - Math.min(a.bottom, b.bottom),
    Math.max(a.left, b.left) - Math.min(a.right, b.right),
  );
}

// The group's own ink with the soft edge of its strokes, in its tight box.
function cutGroup(ink, marks, group, height, width) {
  const top = Math.max(group.top - EDGE, 0), bottom = Math.min(group.bottom + EDGE, height);
  const left = Math.max(group.left - EDGE, 0), right = Math.min(group.right + EDGE, width);
  const rows = bottom - top, columns = right - left;
  const kept = new Float64Array(rows * columns);
  const box = {top: rows, bottom: 0, left: columns, right: 0};
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    const at = (y + top) * width + x + left;
    const own = group.members.has(marks[at]);
    if (!own && (marks[at] || ink[at] <= HAZE || !hasOwnNear(y, x))) continue;
    kept[y * columns + x] = ink[at];
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y + 1);
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x + 1);
  }
  function hasOwnNear(y, x) {
    for (let v = Math.max(y - EDGE, 0); v <= Math.min(y + EDGE, rows - 1); v++) {
      for (let u = Math.max(x - EDGE, 0); u <= Math.min(x + EDGE, columns - 1); u++) {
        if (group.members.has(marks[(v + top) * width + u + left])) return true;
      }
    }
    return false;
  }
  const tight = {height: box.bottom - box.top, width: box.right - box.left};
  const values = new Float64Array(tight.height * tight.width);
  for (let y = 0; y < tight.height; y++) for (let x = 0; x < tight.width; x++) {
    values[y * tight.width + x] = kept[(y + box.top) * columns + x + box.left];
  }
  return {...tight, values};
}

// Scale into 20 × 20, thicken what is too thin, centre the mass in 28 × 28.
function fitInk(ink, height, width) {
  const longest = Math.max(height, width);
  const rows = Math.max(1, roundToEven(FIT * height / longest));
  const columns = Math.max(1, roundToEven(FIT * width / longest));
  const across = averageColumns(ink, height, width, FINE * columns);
  const fine = thicken(
    transpose(
      averageColumns(transpose(across, height, FINE * columns), FINE * columns, height, FINE * rows),
      FINE * columns, FINE * rows,
    ),
    FINE * rows, FINE * columns,
  );
  const small = new Float64Array(rows * columns);
  let mass = 0, massY = 0, massX = 0;
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    let sum = 0;
    for (let v = 0; v < FINE; v++) for (let u = 0; u < FINE; u++) {
      sum += fine[(FINE * y + v) * FINE * columns + FINE * x + u];
    }
    const value = sum / FINE ** 2;
    small[y * columns + x] = value;
    mass += value;
    massY += value * (y + 0.5);
    massX += value * (x + 0.5);
  }
  const place = (centre, n) =>
    Math.min(Math.max(Math.floor(CENTRE - centre + 0.5 - 1e-6), 0), FIELD - n);
  const top = place(massY / mass, rows), left = place(massX / mass, columns);
  const field = new Float64Array(FIELD * FIELD);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    field[(y + top) * FIELD + x + left] = small[y * columns + x];
  }
  return field;
}

// Python rounds halves to the even neighbour.
function roundToEven(v) {
  const floor = Math.floor(v);
  if (v - floor !== 0.5) return Math.round(v);
  return floor % 2 ? floor + 1 : floor;
}

function transpose(values, height, width) {
  return values.map((_, i) => values[(i % height) * width + Math.floor(i / height)]);
}

// Each new column is the mean of the area that it covers.
function averageColumns(values, height, width, target) {
  const averaged = new Float64Array(height * target);
  const step = width / target;
  for (let x = 0; x < target; x++) {
    const from = x * step, to = (x + 1) * step;
    for (let u = Math.floor(from); u < Math.min(Math.ceil(to), width); u++) {
      const share = Math.max(Math.min(to, u + 1) - Math.max(from, u), 0) / step;
      for (let y = 0; y < height; y++) averaged[y * target + x] += share * values[y * width + u];
    }
  }
  return averaged;
}

// A stroke's width is twice its area over its outline's length.
function thicken(fine, height, width) {
  const at = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : fine[y * width + x]);
  let area = 0, outline = 0;
  for (let y = 0; y <= height; y++) for (let x = 0; x <= width; x++) {
    area += at(y, x);
    outline += Math.abs(at(y, x) - at(y - 1, x)) + Math.abs(at(y, x) - at(y, x - 1));
  }
  const stroke = 2 * area / (outline * Math.PI / 4);
  if (stroke >= THIN * FINE) return fine;
  const radius = Math.max(1, roundToEven((STROKE * FINE - stroke) / 2));
  return fine.map((_, i) => {
    const y = Math.floor(i / width), x = i % width;
    let most = 0;
    for (let v = -radius; v <= radius; v++) for (let u = -radius; u <= radius; u++) {
      if (v * v + u * u <= radius * radius) most = Math.max(most, at(y + v, x + u));
    }
    return most;
  });
}
