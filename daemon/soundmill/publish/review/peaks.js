// A take's outline and spectrogram: unpacked as audio/peaks.py packs them, or, for takes without, made of the audio.

const HEADER = 12;
const OUTLINE = 500;
const COLUMNS = 120;
const BANDS = 25;
const FRAME = 2048;
const LOWEST_HZ = 60;
const FLOOR_DB = -96;

/** The peaks in a buffer, or null where it holds none that this page can read. */
export function unpack(buffer) {
  if (buffer.byteLength < HEADER) return null;
  const view = new DataView(buffer);
  const [bands, width, columns] = [view.getUint8(1), view.getUint16(2, true), view.getUint16(4, true)];
  if (view.getUint8(0) !== 1 || buffer.byteLength !== HEADER + 2 * width + bands * columns) return null;
  return {
    low: new Int8Array(buffer, HEADER, width),
    high: new Int8Array(buffer, HEADER + width, width),
    bands,
    columns,
    spectrum: new Uint8Array(buffer, HEADER + 2 * width),
    lowestHz: view.getUint16(6, true),
    highestHz: view.getUint16(8, true),
  };
}

/** The same of decoded audio; `highestHz` is half the file's own sample rate, which the browser may have changed. */
export function compute(audio, highestHz) {
  const channels = Array.from({ length: audio.numberOfChannels }, (_, n) => audio.getChannelData(n));
  const length = audio.length;
  const width = Math.min(OUTLINE, length);
  const low = new Int8Array(width);
  const high = new Int8Array(width);
  for (let column = 0; column < width; column += 1) {
    const [start, end] = [Math.floor((column * length) / width), Math.floor(((column + 1) * length) / width)];
    let [least, most] = [1, -1];
    for (const samples of channels) {
      for (let n = start; n < end; n += 1) {
        if (samples[n] < least) least = samples[n];
        if (samples[n] > most) most = samples[n];
      }
    }
    low[column] = Math.floor(Math.max(-1, least) * 127);
    high[column] = Math.ceil(Math.min(1, most) * 127);
  }
  const top = Math.min(highestHz, audio.sampleRate / 2);
  const columns = Math.min(COLUMNS, Math.floor(length / (FRAME / 4)));
  const spectrum = new Uint8Array(BANDS * columns);
  const real = new Float32Array(FRAME);
  const imaginary = new Float32Array(FRAME);
  for (let n = 0; n < 2 * columns; n += 1) {
    const middle = Math.floor(((n + 0.5) * length) / (2 * columns));
    const start = Math.max(0, Math.min(length - FRAME, middle - FRAME / 2));
    for (let at = 0; at < FRAME; at += 1) {
      let sum = 0;
      for (const samples of channels) sum += samples[start + at] || 0;
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / FRAME);
      real[at] = ((sum / channels.length) * hann * 4) / FRAME;
      imaginary[at] = 0;
    }
    transform(real, imaginary);
    for (let band = 0; band < BANDS; band += 1) {
      const bin = (of) => Math.round((LOWEST_HZ * (top / LOWEST_HZ) ** (of / BANDS) * FRAME) / audio.sampleRate);
      let most = 0;
      for (let k = Math.max(1, bin(band)); k < Math.max(bin(band + 1), bin(band) + 1); k += 1) {
        most = Math.max(most, real[k] ** 2 + imaginary[k] ** 2);
      }
      const level = Math.round(((10 * Math.log10(Math.max(most, 1e-18))) / -FLOOR_DB + 1) * 255);
      const place = band * columns + (n >> 1);
      spectrum[place] = Math.max(spectrum[place], Math.min(255, Math.max(0, level)));
    }
  }
  return { low, high, bands: BANDS, columns, spectrum, lowestHz: LOWEST_HZ, highestHz: top };
}

/** The discrete Fourier transform in place, by halving (Cooley and Tukey 1965); the length is a power of two. */
function transform(real, imaginary) {
  const length = real.length;
  for (let i = 1, j = 0; i < length; i += 1) {
    let bit = length >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= length; size *= 2) {
    for (let k = 0; k < size / 2; k += 1) {
      const [c, s] = [Math.cos((-2 * Math.PI * k) / size), Math.sin((-2 * Math.PI * k) / size)];
      for (let at = k; at < length; at += size) {
        const other = at + size / 2;
        const r = real[other] * c - imaginary[other] * s;
        const i = real[other] * s + imaginary[other] * c;
        real[other] = real[at] - r;
        imaginary[other] = imaginary[at] - i;
        real[at] += r;
        imaginary[at] += i;
      }
    }
  }
}
