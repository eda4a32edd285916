// Lines over time, drawn by uPlot, with a legend of our own: names come from devices and are shown as texts.

import { fill, h, setText } from './dom.js';
import { clockTime } from './format.js';

export const COLOURS = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6', '--line-7', '--line-8'];
const HEIGHT = 180;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  #plot = null;
  #names = [];
  #data = [[]];

  constructor(title, signal, { height = HEIGHT, format = (value) => String(value), fromZero = false } = {}) {
    this.height = height;
    this.format = format;
    this.fromZero = fromZero; // rates and counts: half as high is half as much
    this.place = h('div', { class: 'plot' });
    this.legend = h('ul', { class: 'legend' });
    this.element = h('figure', { class: 'chart' }, title ? h('figcaption', {}, title) : null, this.place, this.legend);
    const again = () => this.#make();
    const watcher = new ResizeObserver(() => this.#plot?.setSize(this.#size()));
    watcher.observe(this.place);
    document.documentElement.addEventListener('kyanite-theme', again, { signal });
    signal.addEventListener('abort', () => {
      watcher.disconnect();
      this.#plot?.destroy();
    });
  }

  // data: times in seconds, then as many values for each name; null is a gap.
  show(names, data) {
    this.#data = data;
    const isSame = names.length === this.#names.length && names.every((name, i) => name === this.#names[i]);
    this.#names = names;
    if (isSame && this.#plot) this.#plot.setData(data);
    else this.#make();
    this.#showLegend();
  }

  #size() {
    return { width: Math.max(this.place.clientWidth, 120), height: this.height };
  }

  #make() {
    this.#plot?.destroy();
    this.place.replaceChildren();
    if (!window.uPlot) return;
    const axis = {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    };
    this.#plot = new window.uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { y: false },
        padding: [8, 26, 0, 0], // half of the last time
        scales: {
          x: { range: () => times(this.#data[0]) },
          y: { range: (_, low, high) => range(this.fromZero ? Math.min(0, low) : low, high) },
        },
        axes: [
          { ...axis, size: 28, values: (_, ticks) => clockTicks(ticks) },
          { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => this.format(tick)) },
        ],
        series: [
          {},
          ...this.#names.map((_, i) => ({
            stroke: colour(COLOURS[i % COLOURS.length]),
            width: 1.5,
            spanGaps: true,
            points: { show: this.#data[0].length < 2 },
          })),
        ],
      },
      this.#data,
      this.place,
    );
    this.place.setAttribute('role', 'img');
  }

  #showLegend() {
    if (this.legend.children.length !== this.#names.length) {
      fill(
        this.legend,
        this.#names.map(() =>
          h(
            'li',
            {},
            h('span', { class: 'swatch', 'aria-hidden': 'true' }),
            h('span', { class: 'name' }),
            h('strong', {}),
          ),
        ),
      );
    }
    this.#names.forEach((name, i) => {
      const item = this.legend.children[i];
      const latest = this.#data[i + 1]?.findLast((value) => value !== null && value !== undefined);
      item.children[0].style.background = colour(COLOURS[i % COLOURS.length]);
      setText(item.children[1], name);
      setText(item.children[2], latest === undefined ? '–' : this.format(latest));
    });
    this.place.setAttribute('aria-label', `Chart of ${this.#names.join(', ')}`);
  }
}

// '10:05', with seconds where ticks are close, and parts of them where they are closer still.
function clockTicks(ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 60;
  return ticks.map((tick) => {
    const text = clockTime(new Date(tick * 1000), step < 1);
    return step >= 60 ? text.slice(0, 5) : step < 1 ? text.slice(3, -1) : text;
  });
}

// From the first to the last; one moment, or none yet, is shown with the minute before it.
function times(all) {
  const first = all[0] ?? Date.now() / 1000;
  const last = all.at(-1) ?? first;
  return last > first ? [first, last] : [last - 60, last + 1];
}

// Room above and below, and some for a line that does not move.
function range(low, high) {
  if (low === null || high === null || low === undefined) return [0, 1];
  if (low === high) return low === 0 ? [0, 1] : [Math.min(0, low * 1.2), Math.max(0, high * 1.2)];
  const room = (high - low) * 0.08;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}
