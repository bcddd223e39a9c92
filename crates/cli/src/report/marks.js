'use strict';
// Markers and labels of points, as paths that a canvas and an SVG both take.

const SHAPES = ['circle', 'square', 'up', 'diamond', 'down', 'plus', 'cross', 'hexagon'];

// Styles that share a colour, from the ninth on, have another shape.
const shapeOf = (style) => SHAPES[(style + Math.floor(style / 8)) % 8];

// A style for each codec, the same in the whole report. Codecs of one dataset have different colours as long as these
// suffice, even where others of other datasets have them too.
function stylesOf(codecCount, datasets) {
  const styles = [];
  for (let codec = 0; codec < codecCount; codec++) {
    const beside = datasets.filter((codecs) => codecs.includes(codec)).flat();
    const uses = (style) => beside.filter((other) => styles[other] !== undefined && styles[other] % 8 === style % 8).length;
    const free = Array.from({ length: codecCount + 8 }, (_, style) => style).filter((style) => !styles.includes(style));
    styles.push(free.reduce((best, style) => (uses(style) < uses(best) ? style : best)));
  }
  return styles;
}

function polygon(corners, x, y) {
  return 'M' + corners.map(([dx, dy]) => (x + dx).toFixed(2) + ' ' + (y + dy).toFixed(2)).join('L') + 'Z';
}

function markerPath(shape, x, y, r) {
  const arm = r * 0.36;
  const cross = [[-arm, -r], [arm, -r], [arm, -arm], [r, -arm], [r, arm], [arm, arm], [arm, r], [-arm, r], [-arm, arm], [-r, arm], [-r, -arm], [-arm, -arm]];
  switch (shape) {
    case 'square': return polygon([[-r * 0.86, -r * 0.86], [r * 0.86, -r * 0.86], [r * 0.86, r * 0.86], [-r * 0.86, r * 0.86]], x, y);
    case 'up': return polygon([[0, -r * 1.1], [r * 1.05, r * 0.8], [-r * 1.05, r * 0.8]], x, y);
    case 'down': return polygon([[0, r * 1.1], [r * 1.05, -r * 0.8], [-r * 1.05, -r * 0.8]], x, y);
    case 'diamond': return polygon([[0, -r * 1.2], [r * 1.2, 0], [0, r * 1.2], [-r * 1.2, 0]], x, y);
    case 'plus': return polygon(cross.map(([a, b]) => [a * 1.1, b * 1.1]), x, y);
    case 'cross': return polygon(cross.map(([a, b]) => [(a - b) * 0.8, (a + b) * 0.8]), x, y);
    case 'hexagon': return polygon([0, 1, 2, 3, 4, 5].map((n) => [r * 1.05 * Math.cos((n * Math.PI) / 3), r * 1.05 * Math.sin((n * Math.PI) / 3)]), x, y);
    default: return `M${x - r} ${y}A${r} ${r} 0 1 0 ${x + r} ${y}A${r} ${r} 0 1 0 ${x - r} ${y}Z`;
  }
}

const overlaps = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

// Where the labels of points stand: as near to the point as others leave room.
function placeLabels(points, box, measure, height) {
  const taken = points.map(({ x, y }) => ({ left: x - 6, right: x + 6, top: y - 6, bottom: y + 6 }));
  return points.filter((point) => point.label).map((point) => {
    const width = measure(point.label);
    const shifts = [0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5];
    const spots = shifts.flatMap((shift) => [10, -10 - width, -width / 2].map((dx) => ({ dx, dy: shift * (height + 1) })));
    let best = null;
    for (const { dx, dy } of spots) {
      const spot = { left: point.x + dx, right: point.x + dx + width, top: point.y + dy - height / 2, bottom: point.y + dy + height / 2 };
      const outside = spot.left < box.left || spot.right > box.right || spot.top < box.top || spot.bottom > box.bottom;
      spot.cost = 4 * taken.filter((other) => overlaps(spot, other)).length + (outside ? 40 : 0) + Math.abs(dy) / height + (dx === 10 ? 0 : 0.3);
      if (!best || spot.cost < best.cost) best = spot;
    }
    taken.push(best);
    const y = (best.top + best.bottom) / 2;
    // A line leads to a label that is not beside its point.
    const near = Math.min(Math.max(point.x, best.left - 3), best.right + 3);
    const lead = Math.abs(y - point.y) > 1.5 * height ? { x: near, y: y < point.y ? best.bottom : best.top } : null;
    return { text: point.label, x: best.left, y, lead, point };
  });
}

// The points of a plot that have markers, where `place` puts them.
function markedPoints(spec, place, isShown = () => true) {
  return spec.series.flatMap((series, at) => {
    if (!series.marker || !isShown(at)) return [];
    return series.x.flatMap((x, n) => {
      const y = series.y[n];
      const placed = y === null || y === undefined ? null : place(x, y);
      return placed ? [{ ...placed, series, label: series.label, valueX: x, valueY: y }] : [];
    });
  });
}
