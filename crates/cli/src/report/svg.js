'use strict';
// Drawings to save and to print: SVG written from what a plot shows, in the colours of a light page.

const SVG_FONT = 'system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif';
const markup = (text) => String(text).replace(/[&<>"']/g, (sign) => '&#' + sign.charCodeAt(0) + ';');
const textWidth = (() => {
  const context = document.createElement('canvas').getContext('2d');
  return (text, size = 12) => {
    context.font = size + 'px ' + SVG_FONT;
    return context.measureText(text).width;
  };
})();

function svgText(text, x, y, options = {}) {
  const { anchor = 'start', fill = PLAIN_COLOURS.light.soft, size = 12, weight = 400, turn = '' } = options;
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${fill}" font-size="${size}" font-weight="${weight}"${turn}>${markup(text)}</text>`;
}

function svgDocument(width, height, body) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${Math.ceil(height)}" width="${width}" height="${Math.ceil(height)}" font-family="${markup(SVG_FONT)}">`
    + `<rect width="100%" height="100%" fill="#fff"/>${body.join('')}</svg>`;
}

// A plot with axes, lines, markers, labels and legend.
function plotSvg(spec, width = 640, plotHeight = 300) {
  const yTicks = ticks(spec.y.min, spec.y.max, spec.y.log, 6);
  const yLabels = yTickLabels(spec, yTicks);
  const left = 34 + Math.max(...yLabels.map((label) => textWidth(label)));
  const box = { left, right: width - 16, top: 40, bottom: 40 + plotHeight };
  const share = (axis, value) => (axis.log ? Math.log(value / axis.min) / Math.log(axis.max / axis.min) : (value - axis.min) / (axis.max - axis.min));
  const toX = (x) => box.left + share(spec.x, x) * (box.right - box.left);
  const toY = (y) => box.bottom - share(spec.y, y) * (box.bottom - box.top);
  const body = [svgText(spec.title, 0, 16, { fill: PLAIN_COLOURS.light.ink, size: 14, weight: 600 })];
  body.push(...svgAxes(spec, box, toX, toY, yTicks, yLabels));
  const clip = 'c' + Math.random().toString(36).slice(2);
  body.push(`<clipPath id="${clip}"><rect x="${box.left}" y="${box.top - 6}" width="${box.right - box.left}" height="${box.bottom - box.top + 12}"/></clipPath><g clip-path="url(#${clip})">`);
  for (const link of spec.links || []) {
    body.push(`<path d="M${toX(link.x)} ${toY(link.from)}V${toY(link.to)}" stroke="${colour(link.colour, 'light')}" stroke-opacity=".45" fill="none"/>`);
  }
  for (const series of spec.series) if (series.line) body.push(svgLine(series, toX, toY));
  const points = markedPoints(spec, (x, y) => ({ x: toX(x), y: toY(y) }));
  for (const { x, y, series } of points) body.push(svgMarker(series, x, y));
  body.push('</g>');
  for (const { text, x, y, lead, point } of placeLabels(points, box, (label) => textWidth(label), 14)) {
    if (lead) body.push(`<path d="M${point.x} ${point.y}L${lead.x} ${lead.y}" stroke="${PLAIN_COLOURS.light.soft}" stroke-width=".7"/>`);
    body.push(svgText(text, x, y + 4, { fill: PLAIN_COLOURS.light.ink }));
  }
  const [legend, bottom] = svgLegend(spec, box.bottom + 62, width);
  body.push(...legend);
  return svgDocument(width, bottom, body);
}

function svgAxes(spec, box, toX, toY, yTicks, yLabels) {
  const { line, soft } = PLAIN_COLOURS.light;
  const parts = [];
  yTicks.forEach((tick, at) => {
    parts.push(`<path d="M${box.left} ${toY(tick)}H${box.right}" stroke="${line}"/>`, svgText(yLabels[at], box.left - 8, toY(tick) + 4, { anchor: 'end' }));
  });
  const xTicks = ticks(spec.x.min, spec.x.max, spec.x.log, 7);
  tickLabels(xTicks, spec.x.log).forEach((label, at) => {
    parts.push(`<path d="M${toX(xTicks[at])} ${box.top}V${box.bottom}" stroke="${line}"/>`, svgText(label, toX(xTicks[at]), box.bottom + 18, { anchor: 'middle' }));
  });
  const [middleX, middleY] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  parts.push(`<path d="M${box.left} ${box.top}V${box.bottom}H${box.right}" fill="none" stroke="${soft}"/>`);
  parts.push(svgText(spec.x.label, middleX, box.bottom + 38, { anchor: 'middle' }));
  parts.push(svgText(spec.y.label, 12, middleY, { anchor: 'middle', turn: ` transform="rotate(-90 12 ${middleY})"` }));
  return parts;
}

function svgLine(series, toX, toY) {
  let pen = 'M', path = '';
  series.x.forEach((x, at) => {
    const y = series.y[at];
    if (y === null || y === undefined) pen = 'M';
    else {
      path += `${pen}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`;
      pen = 'L';
    }
  });
  const dash = series.dash ? ` stroke-dasharray="${series.dash.join(' ')}"` : '';
  return `<path d="${path}" fill="none" stroke="${colour(series.colour, 'light')}" stroke-width="${series.width || 1.6}" stroke-linejoin="round"${dash}/>`;
}

function svgMarker(series, x, y) {
  const ink = colour(series.colour, 'light');
  return `<path d="${markerPath(series.marker, x, y, series.radius || 5)}" fill="${series.hollow ? '#fff' : ink}" stroke="${ink}" stroke-width="1.5"/>`;
}

function svgLegend(spec, top, width) {
  const parts = [];
  let [x, y] = [0, top];
  for (const series of spec.series.filter((series) => series.name)) {
    const wide = 40 + textWidth(series.name);
    if (x > 0 && x + wide > width) [x, y] = [0, y + 20];
    if (series.line) parts.push(svgLine({ ...series, x: [x, x + 24], y: [y - 4, y - 4] }, Number, Number));
    if (series.marker) parts.push(svgMarker(series, x + 12, y - 4));
    parts.push(svgText(series.name, x + 30, y, { fill: PLAIN_COLOURS.light.ink }));
    x += wide + 14;
  }
  return [parts, parts.length ? y + 10 : top - 14];
}

// Zero on an axis of powers of ten stands at its lower end.
const yTickLabels = (spec, values) => tickLabels(values, spec.y.log).map((label, at) => (spec.floor && values[at] <= spec.floor * 1.001 ? '0' : label));

function save(name, kind, svg) {
  const file = name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '') + '.' + kind;
  const source = new Blob([svg], { type: 'image/svg+xml' });
  if (kind === 'svg') return download(source, file);
  return rasterised(svg).then((canvas) => canvas.toBlob((blob) => download(blob, file)));
}

// A drawing as pixels, two for each of its own.
async function rasterised(svg) {
  const image = new Image();
  image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(svg);
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width * 2, image.height * 2];
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function download(blob, file) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
