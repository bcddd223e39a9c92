'use strict';
// Colours, numbers and axes: the same on the screen and in a saved drawing.

// Okabe and Ito's colours, which people with any kind of colour vision tell apart; lighter on a dark ground.
const CODEC_COLOURS = {
  light: ['#0072b2', '#d55e00', '#009070', '#b8579b', '#3a9bd6', '#b57f00', '#6d4ea3', '#5f6670'],
  dark: ['#4aa8e6', '#f28c4c', '#35c9a0', '#e39ccb', '#9bd3f5', '#efb945', '#b39ae6', '#a9b1bb'],
};
const PLAIN_COLOURS = {
  light: { ink: '#1d2126', soft: '#5c646e', line: '#e4e4df', page: '#ffffff' },
  dark: { ink: '#e9eaec', soft: '#9aa3ad', line: '#2f353c', page: '#15181c' },
};
const VIRIDIS = ['#440154', '#482878', '#3e4989', '#31688e', '#26828e', '#1f9e89', '#35b779', '#6ece58', '#b5de2b', '#fde725'];
const GREY = ['#000000', '#ffffff'];
const DIVERGING = ['#053061', '#2166ac', '#4393c3', '#92c5de', '#d1e5f0', '#f7f7f7', '#fddbc7', '#f4a582', '#d6604d', '#b2182b', '#67001f'];

const isDark = () => matchMedia('(prefers-color-scheme: dark)').matches;
const screenTheme = () => (isDark() ? 'dark' : 'light');

// A colour is the number of a codec, or the name of a plain one.
function colour(which, theme) {
  const table = typeof which === 'number' ? CODEC_COLOURS : PLAIN_COLOURS;
  return table[theme][typeof which === 'number' ? which % 8 : which];
}

// Red, green and blue of 256 steps through evenly spaced stops.
function colourTable(stops) {
  const channels = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, step) => {
    const position = (step / 255) * (stops.length - 1);
    const below = Math.min(Math.floor(position), stops.length - 2);
    return channels[below].map((from, at) => Math.round(from + (channels[below + 1][at] - from) * (position - below)));
  });
}

const superscript = (power) => String(power).replace(/[-0-9]/g, (sign) => '⁰¹²³⁴⁵⁶⁷⁸⁹'['0123456789'.indexOf(sign)] || '⁻');
const minus = (text) => text.replace('-', '−');

// A number in at most so many digits, powers of ten as such.
function format(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return 'not finite';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) return minus(String(Number(value.toPrecision(digits))));
  const [mantissa, power] = value.toExponential(digits - 1).split('e');
  const factor = String(Number(mantissa));
  const ten = '10' + superscript(Number(power));
  return factor === '1' ? ten : minus(factor) + '·' + ten;
}

// A number as a power of ten and its factor.
function power(value) {
  const [factor, exponent] = value.toExponential(0).split('e');
  return (factor === '1' ? '' : minus(factor) + '·') + '10' + superscript(Number(exponent));
}

// Round numbers from min to max: 1, 2 or 5 times a power of ten apart, or powers of ten.
function ticks(min, max, log, count) {
  if (!(max > min)) return [min];
  return log && max / min > 5 ? logTicks(min, max, count) : linearTicks(min, max, count);
}

function linearTicks(min, max, count) {
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
  const found = [];
  for (let n = Math.ceil(min / step - 1e-9); n * step <= max + step * 1e-9; n++) found.push(Number((n * step).toPrecision(12)));
  return found;
}

function logTicks(min, max, count) {
  const [first, last] = [Math.floor(Math.log10(min)), Math.ceil(Math.log10(max))];
  const factors = last - first <= count / 2 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil((last - first) / (1.5 * count)));
  const found = [];
  for (let power = first; power <= last; power++) {
    if (power % every === 0) found.push(...factors.map((factor) => Number((factor * 10 ** power).toPrecision(3))));
  }
  return found.filter((tick) => tick >= min * 0.999 && tick <= max * 1.001);
}

// Labels of ticks, all in the same form.
function tickLabels(values, log) {
  if (values.length < 2) return values.map((value) => format(value, 3));
  const sizes = values.map(Math.abs).filter((size) => size > 0);
  const steps = values.slice(1).map((value, at) => Math.abs(value - values[at]));
  const step = Math.min(...steps);
  // Over many decades all labels are powers of ten.
  if (log && (Math.max(...sizes) >= 1e5 || Math.min(...sizes) < 1e-3)) return values.map(power);
  const plain = !log && sizes.every((size) => size < 1e6) && step >= 1e-4;
  if (!plain) return values.map((value) => format(value, 3));
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return values.map((value) => minus(value.toFixed(decimals)));
}

// The least and largest value with room around them.
function range(values, log, room = 0.06) {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (!usable.length) return log ? [0.1, 10] : [0, 1];
  const bend = log ? Math.log10 : Number;
  const unbend = log ? (value) => 10 ** value : Number;
  let low = Infinity, high = -Infinity;
  for (const value of usable) {
    low = Math.min(low, bend(value));
    high = Math.max(high, bend(value));
  }
  // Nobody reads a dozen decades; what is below is rounding.
  if (log) low = Math.max(low, high - 12);
  const width = high - low || (log ? 0.6 : Math.abs(high) || 1);
  return [unbend(low - width * room), unbend(high + width * room)];
}

// Whether an axis of these values is read better in powers of ten.
function suitsLog(values, factor) {
  const positive = values.filter((value) => value > 0);
  if (positive.length < 2 || values.some((value) => value < 0)) return false;
  const [low, high] = [positive.reduce((a, b) => Math.min(a, b)), positive.reduce((a, b) => Math.max(a, b))];
  return high / low > factor;
}
