'use strict';
// Pictures and heat maps: small canvases, one pixel for a value, coloured by a table and shown without smoothing.

const MAPS = [];
const TABLES = { viridis: colourTable(VIRIDIS), grey: colourTable(GREY), diverging: colourTable(DIVERGING) };
const STOPS = { viridis: VIRIDIS, grey: GREY, diverging: DIVERGING };

// The bytes of a picture: 0 is no value, 1 to 255 are the scale.
async function decodedPicture({ rows, columns, png }) {
  const image = new Image();
  image.src = 'data:image/png;base64,' + png;
  await image.decode();
  const canvas = element('canvas', { width: columns, height: rows });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, columns, rows).data;
  return { rows, columns, codes: Uint8Array.from({ length: rows * columns }, (_, at) => pixels[4 * at]) };
}

// Numbers of a grid as a picture.
function gridPicture({ rows, columns }, values, scale) {
  const codes = values.map((value) => (value === null ? 0 : 1 + Math.round(254 * shareOf(scale, value))));
  return { rows, columns, codes, values };
}

function shareOf({ kind, low, high }, value) {
  const share = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : kind === 'diverging' ? 0.5 : 0;
  return kind === 'sqrt' ? Math.sqrt(share) : share;
}

function valueOf({ kind, low, high }, code) {
  if (code === 0) return null;
  const share = (code - 1) / 254;
  return low + (high - low) * (kind === 'sqrt' ? share * share : share);
}

// Pictures side by side that are looked at together: pointing at one reads all, and a click enlarges all.
class MapFigure {
  // A panel is {title, label, picture, scale}; `make` turns a choice into {title, panels, note}.
  constructor(host, make, choices = [], className = 'maps') {
    this.make = make;
    this.choice = choices[0];
    this.table = 'viridis';
    this.view = null;
    this.title = element('span', { className: 'title' });
    this.body = element('div', { className: 'panels' });
    this.reading = element('p', { className: 'reading' });
    this.figure = element('figure', { className }, element('figcaption', {}, this.title, this.tools(choices)), this.body, this.reading);
    host.append(this.figure);
    this.rebuild();
    MAPS.push(this);
  }

  tools(choices) {
    const tools = element('span', { className: 'tools' });
    if (choices.length > 1) {
      const select = element('select', { ariaLabel: 'what is shown' }, ...choices.map((choice) => new Option(choice)));
      select.onchange = () => { this.choice = select.value; this.rebuild(); };
      tools.append(select);
    }
    const grey = element('button', { type: 'button', textContent: 'grey', ariaPressed: false });
    grey.onclick = () => {
      this.table = this.table === 'grey' ? 'viridis' : 'grey';
      grey.ariaPressed = this.table === 'grey';
      this.rebuild();
    };
    tools.append(grey);
    for (const kind of ['svg', 'png']) {
      const button = element('button', { type: 'button', className: 'save', textContent: kind.toUpperCase(), title: 'save as ' + kind.toUpperCase() });
      button.onclick = () => save(this.content.title, kind, mapsSvg(this));
      tools.append(button);
    }
    return tools;
  }

  rebuild() {
    this.content = this.make(this.choice);
    this.title.textContent = this.content.title;
    this.readNothing();
    this.canvases = [];
    this.body.replaceChildren(...this.content.panels.map((panel) => this.panel(panel)));
    this.paint();
  }

  tableOf(panel) {
    return panel.scale.kind === 'diverging' ? 'diverging' : this.table;
  }

  panel(panel) {
    const { rows, columns } = panel.picture;
    const canvas = element('canvas', { width: columns, height: rows });
    // Pictures far from square would be as high as the page, or a hair.
    canvas.style.aspectRatio = `${columns} / ${Math.min(1.5 * columns, Math.max(rows, columns / 16))}`;
    canvas.onmousemove = (event) => this.read(event, canvas, panel);
    canvas.onmouseleave = () => this.readNothing();
    if (rows > 8 && columns > 8) {
      canvas.classList.add('zooms');
      canvas.onclick = (event) => this.zoom(event, canvas, panel);
    }
    this.canvases.push([canvas, panel]);
    return element('div', { className: 'panel' }, element('p', { className: 'name', textContent: panel.title }), canvas, ...(panel.bare ? [] : [colourBar(panel, STOPS[this.tableOf(panel)])]));
  }

  paint() {
    for (const [canvas, panel] of this.canvases) {
      const { rows, columns, codes } = panel.picture;
      const table = TABLES[this.tableOf(panel)];
      const image = new ImageData(columns, rows);
      codes.forEach((code, at) => {
        if (code > 0) image.data.set([...table[Math.round(((code - 1) / 254) * 255)], 255], 4 * at);
      });
      const whole = element('canvas', { width: columns, height: rows });
      whole.getContext('2d').putImageData(image, 0, 0);
      const context = canvas.getContext('2d');
      context.imageSmoothingEnabled = false;
      context.clearRect(0, 0, columns, rows);
      const { x, y, factor } = this.view || { x: 0, y: 0, factor: 1 };
      context.drawImage(whole, x * columns, y * rows, columns / factor, rows / factor, 0, 0, columns, rows);
    }
  }

  // Where the pointer is, as shares of the whole picture.
  at(event, canvas) {
    const { x, y, factor } = this.view || { x: 0, y: 0, factor: 1 };
    return [x + event.offsetX / canvas.clientWidth / factor, y + event.offsetY / canvas.clientHeight / factor];
  }

  zoom(event, canvas) {
    const [x, y] = this.at(event, canvas);
    const factor = 4;
    const start = (centre) => Math.min(1 - 1 / factor, Math.max(0, centre - 0.5 / factor));
    this.view = this.view ? null : { x: start(x), y: start(y), factor };
    this.paint();
  }

  readNothing() {
    this.reading.textContent = this.content.note || '\u00a0';
  }

  read(event, canvas, pointed) {
    const [x, y] = this.at(event, canvas);
    const { rows, columns } = pointed.picture;
    const [row, column] = [Math.min(rows - 1, Math.floor(y * rows)), Math.min(columns - 1, Math.floor(x * columns))];
    const values = this.content.panels.filter(({ picture }) => picture.rows === rows && picture.columns === columns).map((panel) => {
      const at = row * columns + column;
      const value = panel.picture.values ? panel.picture.values[at] : valueOf(panel.scale, panel.picture.codes[at]);
      return `${panel.title} ${value === null ? 'no value' : (panel.picture.values ? '' : '≈ ') + format(value, 3)}`;
    });
    this.reading.textContent = `${this.content.cell ? this.content.cell(row, column) : `row ${row}, column ${column}`}:  ${values.join(',  ')}`;
  }
}

// Ticks of a colour bar as [share, label]: both ends, with a sign where values are beyond, and round numbers between.
function barTicks({ kind, low, high, clipped = [] }) {
  if (!(high > low)) return [[0.5, format(low, 3)]];
  const kept = [[0, (clipped[0] ? '≤ ' : '') + format(low, 3)], [1, (clipped[1] ? '≥ ' : '') + format(high, 3)]];
  const inner = ticks(low, high, false, 4);
  const labels = tickLabels(inner, false);
  inner.forEach((tick, at) => {
    const share = shareOf({ kind, low, high }, tick);
    if (kept.every(([other]) => Math.abs(share - other) > 0.27)) kept.push([share, labels[at]]);
  });
  return kept;
}

function colourBar(panel, stops) {
  const marks = barTicks(panel.scale).map(([share, label]) => {
    const mark = element('span', { textContent: label });
    mark.style.left = 100 * share + '%';
    if (share < 0.06) mark.className = 'first';
    if (share > 0.94) mark.className = 'last';
    return mark;
  });
  const ramp = element('div', { className: 'ramp' });
  ramp.style.background = `linear-gradient(to right, ${stops.join(', ')})`;
  return element('div', { className: 'bar' }, ramp, element('div', { className: 'marks' }, ...marks), element('p', { className: 'unit', textContent: panel.label || '' }));
}

// The panels as one drawing.
function mapsSvg(figure) {
  const { title, panels, stacked } = figure.content;
  const side = stacked ? 640 : 240;
  const body = [svgText(title, 0, 16, { fill: PLAIN_COLOURS.light.ink, size: 14, weight: 600 })];
  let [x, y, bottom] = [0, 44, 0];
  figure.canvases.forEach(([canvas, panel], at) => {
    const height = side * Math.min(1.5, Math.max(1 / 16, panel.picture.rows / panel.picture.columns));
    const stops = STOPS[figure.tableOf(panel)];
    body.push(svgText(panel.title, x, y - 6, { fill: PLAIN_COLOURS.light.ink }));
    body.push(`<rect x="${x}" y="${y}" width="${side}" height="${height}" fill="#9aa0a6"/>`);
    body.push(`<image x="${x}" y="${y}" width="${side}" height="${height}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${canvas.toDataURL()}"/>`);
    bottom = Math.max(bottom, y + height);
    if (!panel.bare) {
      body.push(...svgBar(panel, stops, x, y + height + 10, side, 'g' + at));
      bottom = Math.max(bottom, y + height + 60);
    }
    if (stacked) y = y + height + 28;
    else x += side + 28;
  });
  return svgDocument(stacked ? side : Math.max(x - 28, 200), bottom + 8, body);
}

function svgBar(panel, stops, x, y, width, id) {
  const colours = stops.map((stop, at) => `<stop offset="${at / (stops.length - 1)}" stop-color="${stop}"/>`).join('');
  const parts = [`<linearGradient id="${id}">${colours}</linearGradient><rect x="${x}" y="${y}" width="${width}" height="8" fill="url(#${id})"/>`];
  for (const [share, label] of barTicks(panel.scale)) {
    parts.push(svgText(label, x + share * width, y + 23, { anchor: share < 0.06 ? 'start' : share > 0.94 ? 'end' : 'middle', size: 11 }));
  }
  parts.push(svgText(panel.label || '', x + width / 2, y + 40, { anchor: 'middle', size: 11 }));
  return parts;
}
