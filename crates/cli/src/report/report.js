'use strict';
// What is drawn of each dataset, in which order: ratio beside error and speed, curves, pictures, chunks.

const DATA = JSON.parse(document.getElementById('data').textContent);
const STYLES = stylesOf(DATA.codecs.length, DATA.datasets.map(({ rows }) => rows.map((row) => row.codec)));
const styleOf = (row) => STYLES[row.codec];
const MOST_LINES = 16;
const DASHES = [undefined, [7, 4], [2, 3], [9, 3, 2, 3]];
const shortName = (codec) => codec.replace('compressor=', '').replaceAll(/[:,]/g, ' ').replaceAll('level=', 'level ');
const codecName = (row) => shortName(DATA.codecs[row.codec]);
const family = (row) => DATA.codecs[row.codec].split(':')[0];
// The unit `data` is that of the values, whatever it is.
const withUnit = (name) => readable(name) + (DATA.units[name] && DATA.units[name] !== 'data' ? ` / ${DATA.units[name]}` : '');
// Letters that are no word, as frc, are read as such.
const readable = (name) => name.split('_').map((word) => (/^[b-df-hj-np-tv-xz]{2,4}$|^(acf|iq)$/.test(word) ? word.toUpperCase() : word)).join(' ');
const finite = (value) => typeof value === 'number' && Number.isFinite(value);

function pointOf(row, y, more = {}) {
  const name = codecName(row);
  return { full: name, label: name, x: [row.ratio], y: [y], colour: styleOf(row), marker: shapeOf(styleOf(row)), radius: 5, ...more };
}

// Lines through the points of one codec at several settings.
function familyLines(rows, valueOf) {
  const families = Map.groupBy ? Map.groupBy(rows, family) : rows.reduce((map, row) => map.set(family(row), [...(map.get(family(row)) || []), row]), new Map());
  return [...families.values()].flatMap((members) => {
    const points = new Map(members.map((row) => [row.ratio, valueOf(row)]).sort(([a], [b]) => a - b));
    return points.size < 2 ? [] : [{ x: [...points.keys()], y: [...points.values()], colour: 'soft', line: true, width: 1, dash: [3, 4] }];
  });
}

function ratioAxis(rows, log) {
  const ratios = rows.map((row) => row.ratio);
  const isLog = log ?? suitsLog(ratios, 12);
  const [min, max] = range(ratios, isLog, 0.14);
  return { label: 'ratio, raw / stored', log: isLog, min, max };
}

// Error over ratio. Zero, which a lossless codec has, stands at the lower end of an axis of powers of ten.
function distortionPlot(host, rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.numbers)))].filter((name) => rows.some((row) => finite(row.numbers[name])));
  if (!names.length) return;
  const varying = names.filter((name) => new Set(rows.map((row) => row.numbers[name])).size > 1);
  const first = ['psnr', 'rmse', 'max_sigma_error', 'max_abs_error'].find((name) => varying.includes(name)) || varying[0] || names[0];
  new Plot(host, (state) => distortionSpec(rows, state), varying.length ? varying.sort() : names.slice(0, 1), first);
}

function distortionSpec(rows, state) {
  const name = state.choice;
  const shown = rows.filter((row) => finite(row.numbers[name]));
  const values = shown.map((row) => row.numbers[name]);
  const log = (state.logY ?? suitsLog(values, 50)) && values.some((value) => value > 0);
  let [min, max] = range(values, log, 0.12);
  if (!log && Math.min(...values) === 0) min = -0.03 * max;
  const floor = log && values.some((value) => value === 0) ? 10 ** (Math.floor(Math.log10(min)) - 1) : null;
  if (floor) min = floor;
  const valueOf = (row) => (log && !(row.numbers[name] > 0) ? floor : row.numbers[name]);
  const left = rows.filter((row) => !shown.includes(row)).map(codecName);
  return {
    title: 'ratio and ' + readable(name),
    isScatter: true,
    floor,
    x: ratioAxis(shown, state.logX),
    y: { label: withUnit(name), log, min, max },
    series: [...familyLines(shown, valueOf), ...shown.map((row) => pointOf(row, valueOf(row), { what: withUnit(name) }))],
    note: left.length ? `not finite for ${left.join(', ')}` : '',
  };
}

function speedPlot(host, rows) {
  const timed = rows.filter((row) => finite(row.encode_gbps) || finite(row.decode_gbps));
  if (timed.length) new Plot(host, (state) => speedSpec(timed, state), ['encode and decode', 'encode', 'decode']);
}

function speedSpec(rows, state) {
  const takes = (what) => state.choice.includes(what);
  const points = [], links = [];
  for (const row of rows) {
    if (takes('encode') && finite(row.encode_gbps)) points.push(pointOf(row, row.encode_gbps, { what: 'encode GB/s' }));
    if (takes('decode') && finite(row.decode_gbps)) points.push(pointOf(row, row.decode_gbps, { what: 'decode GB/s', hollow: true, label: takes('encode') ? '' : codecName(row) }));
    if (takes('encode') && takes('decode') && finite(row.encode_gbps) && finite(row.decode_gbps)) links.push({ x: row.ratio, from: row.encode_gbps, to: row.decode_gbps, colour: styleOf(row) });
  }
  const values = points.map((point) => point.y[0]);
  const log = state.logY ?? suitsLog(values, 12);
  const [min, max] = range(values, log, 0.1);
  return {
    title: 'ratio and speed',
    isScatter: true,
    x: ratioAxis(rows, state.logX),
    y: { label: 'speed / GB s⁻¹, one thread', log, min: log ? min : 0, max },
    series: points,
    links,
    note: state.choice === 'encode and decode' ? 'filled: encode, open: decode' : '',
  };
}

// One plot for each curve that any codec has. Where there would be too many lines, one codec is shown at a time.
function curvePlots(host, rows) {
  for (const name of new Set(rows.flatMap((row) => Object.keys(row.curves)))) {
    const having = rows.filter((row) => row.curves[name] && DATA.arrays[row.curves[name].x].length);
    if (!having.length || !curveSeries(name, having).length) continue;
    const isMuch = having.length > 1 && curveSeries(name, having).length > MOST_LINES;
    const choices = isMuch ? having.map(codecName) : [];
    new Plot(host, (state) => curveSpec(name, isMuch ? having.filter((row) => codecName(row) === state.choice) : having, state), choices);
  }
}

function curveSpec(name, rows, state) {
  const curve = rows[0].curves[name];
  const series = curveSeries(name, rows);
  const xs = series.flatMap((each) => each.x);
  const ys = series.flatMap((each) => each.y.filter(finite));
  const isCorrelation = /frc|fsc|mtf/i.test(name);
  const logX = (state.logX ?? isGeometric(DATA.arrays[curve.x])) && xs.some((x) => x > 0);
  const logY = (state.logY ?? (!isCorrelation && suitsLog(ys, 300))) && ys.some((y) => y > 0);
  if (logY || logX) for (const each of series) dropUnderZero(each, logX, logY);
  const [xMin, xMax] = range(series.flatMap((each) => each.x), logX, DATA.arrays[curve.x].length > 1 ? 0.01 : 0.5);
  let [yMin, yMax] = range(isCorrelation ? series.filter((each) => !each.isThreshold).flatMap((each) => each.y.filter(finite)) : ys, logY);
  if (isCorrelation && !logY && yMax <= 1.2) [yMin, yMax] = [Math.min(0, yMin), 1.04];
  return {
    title: readable(name),
    x: { label: curve.x_label, log: logX, min: xMin, max: xMax },
    y: { label: curve.y_label, log: logY, min: yMin, max: yMax },
    series,
    note: curve.every > 1 ? `every ${curve.every} points one is drawn` : '',
  };
}

function dropUnderZero(series, logX, logY) {
  const kept = series.x.map((x, at) => [x, series.y[at]]).filter(([x]) => !logX || x > 0);
  series.x = kept.map(([x]) => x);
  series.y = kept.map(([, y]) => (logY && !(y > 0) ? null : y));
}

// Lags and radii that grow by factors.
function isGeometric(x) {
  const positive = x.filter((value) => value > 0);
  if (positive.length < 6) return false;
  const [first, middle, last] = [positive[0], positive[positive.length >> 1], positive[positive.length - 1]];
  return last / first > 30 && middle < 0.15 * last;
}

// The lines of a plot. What is equal for several codecs is drawn once; what is equal for all, in no codec's colour.
function curveSeries(name, rows) {
  const yNames = [...new Set(rows.flatMap((row) => Object.keys(row.curves[name].y)))];
  const groups = new Map(yNames.map((yName) => [yName, equalRows(name, yName, rows)]));
  const isShared = (yName) => rows.length > 1 && groups.get(yName).length === 1;
  const stems = [...new Set(yNames.filter((yName) => !isThreshold(yName)).map(stemOf))];
  const own = yNames.filter((yName) => !isShared(yName));
  return yNames.flatMap((yName) => groups.get(yName).map((equal) => {
    const [row] = equal;
    const curve = row.curves[name];
    const [x, y] = [[...DATA.arrays[curve.x]], [...DATA.arrays[curve.y[yName]]]];
    const isPlain = isShared(yName) || rows.length === 1;
    const codecs = equal.map(codecName).join(', ') + (own.length > 1 ? ', ' + readable(yName) : '');
    const style = curveStyle(yName, row, stems.length > 1 ? stems.indexOf(stemOf(yName)) : -1, isShared(yName), own.indexOf(yName), rows.length);
    const marks = x.length <= 12 ? { marker: isShared(yName) ? 'circle' : shapeOf(styleOf(row)), radius: 3 } : {};
    return { name: isPlain ? readable(yName) : codecs, x, y, line: true, ...style, ...marks };
  })).filter((series) => series.y.some(finite));
}

const isThreshold = (yName) => /threshold|limit/.test(yName);
const stemOf = (yName) => yName.replace(/original|decoded|cross|error/, '').replace(/^[\s_]+|[\s_]+$/g, '');

// Rows that have this line, those with equal values together.
function equalRows(name, yName, rows) {
  const groups = new Map();
  for (const row of rows.filter((row) => yName in row.curves[name].y)) {
    const key = `${row.curves[name].x} ${row.curves[name].y[yName]}`;
    groups.set(key, [...(groups.get(key) || []), row]);
  }
  return [...groups.values()];
}

function curveStyle(yName, row, stem, isShared, place, codecs) {
  if (isThreshold(yName)) return { isThreshold: true, colour: 'soft', width: 1, dash: [[4, 4], [1, 3], [8, 4]][yName.length % 3] };
  if (codecs === 1 && stem >= 0) return { colour: stem, dash: /decoded/.test(yName) ? [6, 4] : /error/.test(yName) ? [2, 3] : undefined };
  if (isShared || (codecs === 1 && /original/.test(yName))) return { colour: 'ink', width: 1.3 };
  return { colour: styleOf(row), dash: codecs === 1 && place < 2 ? undefined : DASHES[Math.max(0, place) % DASHES.length] };
}

// Original, decoded and error beside each other, once for codecs whose pictures are equal.
function pictureFigures(host, rows, pictures) {
  for (const stem of new Set(rows.flatMap((row) => row.images.map((image) => image.stem)))) {
    const sets = new Map();
    for (const row of rows) {
      const images = row.images.filter((image) => image.stem === stem);
      const key = images.map((image) => `${image.name} ${image.picture} ${image.scale.high}`).join();
      if (images.length) sets.set(key, [...(sets.get(key) || []), { row, images }]);
    }
    const all = [...sets.values()];
    if (all.length > 1 && all.every(([{ images }]) => images.length === 1)) codecPictures(host, stem, all, pictures);
    else for (const equal of all) pictureFigure(host, stem, equal, pictures);
  }
}

// A picture of which a codec has one only stands beside that of the other codecs.
function codecPictures(host, stem, all, pictures) {
  const panels = all.map((equal) => {
    const [image] = equal[0].images;
    return { title: equal.map(({ row }) => codecName(row)).join(', '), label: image.label, picture: pictures[image.picture], scale: image.scale };
  });
  new MapFigure(host, () => ({ title: readable(all[0][0].images[0].name), panels }));
}

function pictureFigure(host, stem, equal, pictures) {
  const { images } = equal[0];
  const panels = images.map((image) => ({
    title: images.length === 1 ? readable(image.name) : ['original', 'decoded', 'error'][image.role],
    label: image.label === 'original' || image.label === 'decoded' ? 'value' : image.label,
    picture: pictures[image.picture],
    scale: image.scale,
  }));
  const codecs = equal.map(({ row }) => codecName(row)).join(', ');
  const isEqual = images.some((image) => image.role === 2 && image.scale.high === 0);
  new MapFigure(host, () => ({ title: (stem ? readable(stem) + ': ' : '') + codecs, panels, note: isEqual ? 'No pixel differs.' : '' }));
}

// Numbers of chunks: a strip for each codec where they lie in a row, a map for each otherwise.
function chunkFigure(host, rows) {
  const having = rows.filter((row) => row.grid);
  if (!having.length) return;
  const names = [...new Set(having.flatMap((row) => Object.keys(row.grid.values)))];
  if (!names.length) return;
  const stacked = having.every((row) => row.grid.rows === 1);
  new MapFigure(host, (choice) => chunkContent(having, choice, stacked), names.sort((a, b) => (b === 'ratio') - (a === 'ratio')), stacked ? 'maps strips' : 'maps');
}

// Each codec has a scale of its own: how chunks differ is what the map shows, and codecs differ by more.
function chunkContent(rows, choice, stacked) {
  const shown = rows.filter((row) => row.grid.values[choice]);
  const panels = shown.map((row) => {
    const values = row.grid.values[choice];
    const scale = scaleOf(values.filter(finite));
    const title = codecName(row) + (stacked ? `: ${format(scale.low, 3)} to ${format(scale.high, 3)}` : '');
    return { title, label: withUnit(choice), picture: gridPicture(row.grid, values, scale), scale, bare: stacked };
  });
  const [down, along] = shown[0].grid.reduced;
  const isReduced = down * along > 1;
  return {
    title: 'chunks, ' + readable(choice),
    panels,
    stacked,
    cell: (row, column) => (stacked ? `chunk ${column * along}` : `row ${row * down}, column ${column * along}`),
    note: [stacked ? 'Dark is the least, light the most of each codec, in the order of the chunks.' : '', isReduced ? `Means of ${down} × ${along} chunks.` : ''].join(' '),
  };
}

function scaleOf(values) {
  const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  const end = Math.max(-low, high);
  if (low < 0 && high > 0) return { kind: 'diverging', low: -end, high: end };
  return { kind: 'linear', low: values.length ? low : 0, high: values.length ? high : 0 };
}

async function drawAll() {
  const pictures = await Promise.all(DATA.pictures.map(decodedPicture));
  for (const host of document.querySelectorAll('.figures')) {
    const { rows } = DATA.datasets[host.dataset.dataset];
    const measured = rows.filter((row) => finite(row.ratio));
    // Sizes are read from the page, so each group is in it before it is filled.
    const fill = (title, draw, className) => {
      const [heading, body] = [element('h3', { textContent: title }), element('div', { className: className || 'grid' })];
      host.append(heading, body);
      draw(body);
      if (!body.childElementCount) for (const empty of [heading, body]) empty.remove();
    };
    fill('Ratio, error, speed', (body) => { distortionPlot(body, measured); speedPlot(body, measured); });
    fill('Curves', (body) => curvePlots(body, rows));
    fill('Pictures', (body) => pictureFigures(body, rows, pictures), 'stack');
    fill('Chunks', (body) => chunkFigure(body, rows), 'stack');
  }
  for (const cell of document.querySelectorAll('[data-codec]')) {
    const at = DATA.codecs.indexOf(cell.dataset.codec);
    if (at >= 0) cell.prepend(legendMark({ colour: STYLES[at], marker: shapeOf(STYLES[at]) }), ' ');
  }
  document.documentElement.dataset.ready = 'yes';
  if (location.hash === '#check') checkDrawings();
}

// For tests: how many plots and pictures there are, and how many colours each shows, on the page and saved.
async function checkDrawings() {
  const colours = (canvas) => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
  // uPlot draws a little after its size is known.
  await new Promise((done) => setTimeout(done, 500));
  const plots = [], maps = MAPS.flatMap((map) => map.canvases.map(([canvas]) => colours(canvas)));
  for (const plot of PLOTS) plots.push([colours(plot.area.querySelector('canvas')), colours(await rasterised(plotSvg(plot.spec)))]);
  const saved = [];
  for (const map of MAPS) saved.push(colours(await rasterised(mapsSvg(map))));
  document.documentElement.dataset.checked = JSON.stringify({ plots, maps, saved });
}

drawAll();
