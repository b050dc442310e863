// The picture of a take: its outline above its spectrogram, marks where something was found, and the place that is
// heard. It is drawn twice, once in the colour of what was heard, and cut at that place: so a frame draws nothing.

/** The names of the checks that a take does not pass. */
export function failedOf(take) {
  return (take.failed_checks || "").split(", ").filter(Boolean);
}

/** Draws into `element`, which becomes a slider; `seek(seconds)` is called when somebody points at a place. */
export class Picture {
  constructor(element, { seek }) {
    this.element = element;
    this.seek = seek;
    this.peaks = null;
    this.duration = 0;
    this.outline = canvas("sm-outline");
    this.spectrum = canvas("sm-spectrum");
    this.heard = canvas("sm-outline sm-heard");
    this.marks = part("sm-wave-marks");
    this.head = part("sm-playhead");
    element.replaceChildren(this.outline, this.heard, this.spectrum, this.marks, this.head);
    element.tabIndex = 0;
    element.setAttribute("role", "slider");
    element.setAttribute("aria-valuemin", "0");
    this.listen();
    new ResizeObserver(() => this.draw()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  listen() {
    const { element } = this;
    const at = (event) => {
      const box = element.getBoundingClientRect();
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.duration;
    };
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      this.pointed = at(event);
      this.place(this.pointed);
    });
    element.addEventListener("pointermove", (event) => {
      if (this.pointed === null || this.pointed === undefined) return;
      this.pointed = at(event);
      this.place(this.pointed);
    });
    element.addEventListener("pointerup", () => {
      if (this.pointed === null || this.pointed === undefined) return;
      const pointed = this.pointed;
      this.pointed = null;
      this.seek(pointed);
    });
    element.addEventListener("pointercancel", () => {
      this.pointed = null; // as when a finger turns out to scroll the page
    });
  }

  /** Show a take, as review.json has it; `peaks` null leaves a blank. What was found and made no check fail is marked
   *  without a colour over the sound. */
  show(take, peaks) {
    const { duration_s: duration, defects } = take;
    const failed = failedOf(take);
    this.peaks = peaks;
    this.duration = duration;
    this.element.setAttribute("aria-valuemax", duration.toFixed(1));
    this.marks.replaceChildren(
      ...defects.map(({ name, start_s: start, end_s: end, detail }) => {
        const how = name.endsWith("_before") ? " sm-wave-was" : failed.includes(name) ? "" : " sm-wave-noted";
        const mark = part(`sm-wave-mark${how}`);
        mark.style.left = `${(100 * start) / duration}%`;
        mark.style.width = `${(100 * Math.max(0, end - start)) / duration}%`;
        mark.title = `${name.replaceAll("_", " ")}: ${detail || ""}`;
        return mark;
      }),
    );
    this.draw();
    this.place(0);
  }

  /** Move to the place that is heard, unless somebody is pointing at another. */
  follow(seconds) {
    if (this.pointed === null || this.pointed === undefined) this.place(seconds);
  }

  place(seconds) {
    const share = this.duration ? Math.min(1, seconds / this.duration) : 0;
    this.head.style.transform = `translateX(${share * this.element.clientWidth}px)`;
    this.heard.style.clipPath = `inset(0 ${100 - 100 * share}% 0 0)`;
    const tenth = seconds.toFixed(1);
    if (this.element.getAttribute("aria-valuenow") === tenth) return;
    this.element.setAttribute("aria-valuenow", tenth);
    this.element.setAttribute("aria-valuetext", `${tenth} of ${this.duration.toFixed(1)} seconds`);
  }

  draw() {
    const styles = getComputedStyle(this.element);
    const colour = (name) => styles.getPropertyValue(name).trim();
    drawOutline(this.outline, this.peaks, colour("--sm-wave"));
    drawOutline(this.heard, this.peaks, colour("--sm-busy"));
    drawSpectrum(this.spectrum, this.peaks, ["--sm-panel", "--sm-wave", "--sm-busy", "--sm-text"].map(colour));
  }
}

function canvas(name) {
  const made = document.createElement("canvas");
  made.className = name;
  return made;
}

function part(name) {
  const made = document.createElement("div");
  made.className = name;
  return made;
}

/** The canvas's context, its pixels those of the screen, cleared. */
function cleared(surface) {
  const { clientWidth, clientHeight } = surface;
  const ratio = window.devicePixelRatio || 1;
  surface.width = Math.max(1, Math.round(clientWidth * ratio));
  surface.height = Math.max(1, Math.round(clientHeight * ratio));
  return surface.getContext("2d");
}

function drawOutline(surface, peaks, colour) {
  const context = cleared(surface);
  if (!peaks || !peaks.low.length) return;
  const { width, height } = surface;
  const columns = peaks.low.length;
  const most = Math.max(16, ...peaks.high.map(Math.abs), ...peaks.low.map(Math.abs)); // quiet takes are seen, too
  const y = (value) => (height / 2) * (1 - (value / most) * 0.96);
  const least = window.devicePixelRatio || 1; // silence is a line
  context.fillStyle = colour;
  context.beginPath();
  for (let n = 0; n <= columns; n += 1) {
    context.lineTo((n * width) / columns, y(peaks.high[Math.min(n, columns - 1)]) - least / 2);
  }
  for (let n = columns; n >= 0; n -= 1) {
    context.lineTo((n * width) / columns, y(peaks.low[Math.min(n, columns - 1)]) + least / 2);
  }
  context.fill();
}

function drawSpectrum(surface, peaks, colours) {
  const context = cleared(surface);
  if (!peaks || !peaks.columns) return;
  const { bands, columns, spectrum } = peaks;
  const shades = ramp(colours);
  // From the loudest down 60 dB: 255 steps are 96 dB.
  const loudest = Math.max(...spectrum, 1);
  const range = (60 / 96) * 255;
  const small = new OffscreenCanvas(columns, bands);
  const picture = small.getContext("2d");
  const pixels = picture.createImageData(columns, bands);
  for (let band = 0; band < bands; band += 1) {
    for (let column = 0; column < columns; column += 1) {
      const level = Math.max(0, (spectrum[band * columns + column] - loudest + range) / range);
      const shade = Math.round(level * 255) * 4;
      pixels.data.set(shades.subarray(shade, shade + 4), ((bands - 1 - band) * columns + column) * 4);
    }
  }
  picture.putImageData(pixels, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, surface.width, surface.height);
}

/** 256 colours, of four bytes each, from the first of some to the last. */
function ramp(colours) {
  const strip = new OffscreenCanvas(256, 1).getContext("2d");
  const gradient = strip.createLinearGradient(0, 0, 255, 0);
  colours.forEach((colour, n) => gradient.addColorStop(n / (colours.length - 1), colour || "#000"));
  strip.fillStyle = gradient;
  strip.fillRect(0, 0, 256, 1);
  return strip.getImageData(0, 0, 256, 1).data;
}
