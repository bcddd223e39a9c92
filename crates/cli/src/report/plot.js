'use strict';
// A plot on the screen: uPlot draws axes and lines, markers and labels are drawn over them.
// Beside it stands the same plot as SVG, which is what is printed.

const PLOTS = [];

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

class Plot {
  // `make` turns {choice, logX, logY} into what is drawn; `choices` are offered where there are several.
  constructor(host, make, choices = [], choice = choices[0]) {
    this.make = make;
    this.state = { choice, logX: null, logY: null };
    this.title = element('span', { className: 'title' });
    this.area = element('div', { className: 'area' });
    this.legend = element('div', { className: 'legend' });
    this.print = element('div', { className: 'print' });
    this.note = element('p', { className: 'note' });
    this.figure = element('figure', { className: 'plot' }, element('figcaption', {}, this.title, this.tools(choices)), this.area, this.legend, this.print, this.note);
    host.append(this.figure);
    this.rebuild();
    new ResizeObserver(() => this.resize()).observe(this.area);
    PLOTS.push(this);
  }

  tools(choices) {
    const tools = element('span', { className: 'tools' });
    if (choices.length > 1) {
      const select = element('select', { ariaLabel: 'what is shown' }, ...choices.map((choice) => new Option(choice, choice, false, choice === this.state.choice)));
      select.onchange = () => this.change({ choice: select.value, logX: null, logY: null });
      tools.append(select);
    }
    for (const axis of ['logX', 'logY']) {
      const button = element('button', { type: 'button', textContent: axis === 'logX' ? 'log x' : 'log y' });
      button.onclick = () => this.change({ [axis]: !this.spec[axis === 'logX' ? 'x' : 'y'].log });
      this[axis + 'Button'] = button;
      tools.append(button);
    }
    for (const kind of ['svg', 'png']) {
      const button = element('button', { type: 'button', className: 'save', textContent: kind.toUpperCase(), title: 'save as ' + kind.toUpperCase() });
      button.onclick = () => save(this.spec.title, kind, plotSvg(this.spec));
      tools.append(button);
    }
    return tools;
  }

  change(state) {
    Object.assign(this.state, state);
    this.rebuild();
  }

  rebuild() {
    this.spec = this.make(this.state);
    this.title.textContent = this.spec.title;
    this.note.textContent = this.spec.note || '';
    this.logXButton.ariaPressed = this.spec.x.log;
    this.logYButton.ariaPressed = this.spec.y.log;
    this.print.innerHTML = plotSvg(this.spec, 440, 240);
    this.drawing?.destroy();
    this.drawing = new uPlot(this.options(), this.data(), this.area);
    this.drawLegend();
  }

  data() {
    const tables = this.spec.series.map((series) => [series.x, series.y]);
    return tables.length ? uPlot.join(tables) : [[]];
  }

  options() {
    const { spec } = this;
    const scale = (axis) => ({ time: false, distr: axis.log ? 3 : 1, range: () => [axis.min, axis.max] });
    return {
      ...this.size(),
      legend: { show: false },
      padding: [10, 20, 0, 0],
      cursor: { drag: { x: true, y: true, uni: 30 }, points: { show: false }, y: spec.isScatter ? false : true },
      scales: { x: scale(spec.x), y: scale(spec.y) },
      axes: [this.axis(spec.x, 'x'), this.axis(spec.y, 'y')],
      series: [{}, ...spec.series.map((series) => this.series(series))],
      hooks: { draw: [(drawing) => this.drawMarks(drawing)], setCursor: [(drawing) => this.showValues(drawing)], ready: [(drawing) => this.addTip(drawing)] },
    };
  }

  size() {
    const width = Math.max(260, Math.floor(this.area.clientWidth || 480));
    return { width, height: Math.round(Math.min(340, Math.max(250, width * 0.62))) };
  }

  axis(axis, side) {
    const font = '12px ' + SVG_FONT;
    return {
      scale: side,
      label: axis.label,
      labelSize: 22,
      labelGap: side === 'x' ? 4 : 2,
      font, labelFont: font,
      gap: 6,
      stroke: () => colour('soft', screenTheme()),
      grid: { stroke: () => colour('line', screenTheme()), width: 1 },
      ticks: { show: false },
      border: { show: true, stroke: () => colour('soft', screenTheme()), width: 1 },
      size: (_, labels) => (side === 'x' ? 26 : 12 + Math.max(8, ...(labels || []).map((label) => textWidth(label)))),
      splits: (_, __, min, max) => ticks(min, max, axis.log, side === 'x' ? 6 : 5),
      filter: (_, splits) => splits,
      values: (_, splits) => (side === 'y' ? yTickLabels(this.spec, splits) : tickLabels(splits, axis.log)),
    };
  }

  series(series) {
    return {
      stroke: () => colour(series.colour, screenTheme()),
      width: series.width || 1.6,
      dash: series.dash,
      points: { show: false },
      ...(series.line ? {} : { paths: () => null }),
    };
  }

  drawMarks(drawing) {
    const { ctx: context, bbox } = drawing;
    const ratio = uPlot.pxRatio;
    const theme = screenTheme();
    const box = { left: bbox.left, right: bbox.left + bbox.width, top: bbox.top, bottom: bbox.top + bbox.height };
    const place = (x, y) => {
      const [px, py] = [drawing.valToPos(x, 'x', true), drawing.valToPos(y, 'y', true)];
      return px >= box.left - 1 && px <= box.right + 1 && py >= box.top - 1 && py <= box.bottom + 1 ? { x: px, y: py } : null;
    };
    context.save();
    // The last line's dashes are still set.
    context.setLineDash([]);
    context.lineWidth = 1.5 * ratio;
    for (const link of this.spec.links || []) {
      const [from, to] = [place(link.x, link.from), place(link.x, link.to)];
      if (!from || !to) continue;
      context.globalAlpha = 0.45;
      context.strokeStyle = colour(link.colour, theme);
      context.stroke(new Path2D(`M${from.x} ${from.y}L${to.x} ${to.y}`));
      context.globalAlpha = 1;
    }
    this.points = markedPoints(this.spec, place, (at) => drawing.series[at + 1].show);
    for (const { x, y, series } of this.points) {
      const path = new Path2D(markerPath(series.marker, x, y, (series.radius || 5) * ratio));
      context.strokeStyle = colour(series.colour, theme);
      context.fillStyle = series.hollow ? colour('page', theme) : context.strokeStyle;
      context.fill(path);
      context.stroke(path);
    }
    this.drawLabels(context, box, ratio, theme);
    context.restore();
  }

  drawLabels(context, box, ratio, theme) {
    context.font = 12 * ratio + 'px ' + SVG_FONT;
    context.fillStyle = colour('ink', theme);
    context.strokeStyle = colour('soft', theme);
    context.lineWidth = 0.7 * ratio;
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    const points = this.points.map((point) => ({ ...point, x: point.x / ratio, y: point.y / ratio }));
    const inner = Object.fromEntries(Object.entries(box).map(([side, at]) => [side, at / ratio]));
    for (const { text, x, y, lead, point } of placeLabels(points, inner, (label) => textWidth(label), 14)) {
      if (lead) context.stroke(new Path2D(`M${point.x * ratio} ${point.y * ratio}L${lead.x * ratio} ${lead.y * ratio}`));
      context.fillText(text, x * ratio, y * ratio);
    }
  }

  drawLegend() {
    this.legend.replaceChildren(...this.spec.series.flatMap((series, at) => {
      if (!series.name) return [];
      const button = element('button', { type: 'button', ariaPressed: true }, legendMark(series), series.name);
      button.onclick = () => {
        const show = !this.drawing.series[at + 1].show;
        button.ariaPressed = show;
        this.drawing.setSeries(at + 1, { show });
      };
      return [button];
    }));
  }

  addTip(drawing) {
    this.tip = element('div', { className: 'tip', hidden: true });
    drawing.over.append(this.tip);
  }

  showValues(drawing) {
    if (!this.tip) return;
    const { left, top } = drawing.cursor;
    const lines = left < 0 ? null : this.spec.isScatter ? this.nearest(drawing, left, top) : this.valuesAt(drawing, drawing.cursor.idx);
    this.tip.hidden = !lines;
    if (!lines) return;
    this.tip.replaceChildren(...lines.map(([mark, text]) => element('div', {}, ...(mark ? [mark] : []), text)));
    const flip = left > drawing.over.clientWidth / 2;
    this.tip.style.left = flip ? 'auto' : left + 14 + 'px';
    this.tip.style.right = flip ? drawing.over.clientWidth - left + 14 + 'px' : 'auto';
    this.tip.style.top = Math.max(0, Math.min(top, drawing.over.clientHeight - this.tip.clientHeight)) + 'px';
  }

  nearest(drawing, left, top) {
    const ratio = uPlot.pxRatio;
    const distance = ({ x, y }) => Math.hypot((x - drawing.bbox.left) / ratio - left, (y - drawing.bbox.top) / ratio - top);
    const found = (this.points || []).reduce((best, point) => (!best || distance(point) < distance(best) ? point : best), null);
    if (!found || distance(found) > 28) return null;
    const y = this.spec.floor && found.valueY <= this.spec.floor ? 0 : found.valueY;
    return [[legendMark(found.series), found.series.full], [null, `${this.spec.x.label} ${format(found.valueX)}`], [null, `${found.series.what || this.spec.y.label} ${format(y)}`]];
  }

  valuesAt(drawing, at) {
    if (at === null || at === undefined) return null;
    const lines = [[null, `${this.spec.x.label}: ${format(drawing.data[0][at])}`]];
    this.spec.series.forEach((series, n) => {
      const value = drawing.data[n + 1][at];
      if (drawing.series[n + 1].show && value !== null && value !== undefined && lines.length < 16) lines.push([legendMark(series), `${series.name} ${format(value)}`]);
    });
    return lines;
  }

  resize() {
    const size = this.size();
    if (this.area.clientWidth && size.width !== this.drawing.width) this.drawing.setSize(size);
  }
}

// A piece of line with its marker, as an image beside a name.
function legendMark(series) {
  const mark = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  mark.setAttribute('viewBox', '0 0 26 12');
  mark.setAttribute('class', 'mark');
  const ink = typeof series.colour === 'number' ? `var(--codec-${series.colour % 8})` : `var(--${series.colour})`;
  if (series.line) mark.append(path('M0 6H26', { fill: 'none', stroke: ink, 'stroke-width': '2', 'stroke-dasharray': (series.dash || []).join(' ') }));
  if (series.marker) mark.append(path(markerPath(series.marker, 13, 6, 4.4), { fill: series.hollow ? 'var(--page)' : ink, stroke: ink, 'stroke-width': '1.4' }));
  return mark;
}

function path(d, style) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  made.setAttribute('d', d);
  for (const [name, value] of Object.entries(style)) made.style.setProperty(name, value || 'none');
  return made;
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => PLOTS.forEach((plot) => plot.drawing.redraw(false)));
