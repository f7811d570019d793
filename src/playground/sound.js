// The source of a sound: a file or the microphone, with its waveform.

const RATE = 16000;

/** A sound from a file or the microphone; `at` finds elements, `onFile` receives the file to send. */
export class SoundSource {
  constructor(at, onFile) {
    this.at = at;
    this.onFile = onFile;
    at('sound-file').addEventListener('change', () => {
      if (at('sound-file').files[0]) this.use(at('sound-file').files[0]);
      at('sound-file').value = '';
    });
    at('choose-sound').addEventListener('click', () => at('sound-file').click());
    at('record').addEventListener('click', () => (this.recorder ? this.#finish() : this.#record()));
    this.words = at('sound-name').textContent;
  }

  use(file) {
    this.stop();
    this.at('sound-name').textContent = `${file.name}, ${file.size} bytes`;
    this.#draw(file);
    this.onFile(file);
  }

  clear() {
    this.stop();
    this.at('sound-name').textContent = this.words;
    const { width, height } = this.at('waveform');
    this.at('waveform').getContext('2d').clearRect(0, 0, width, height);
  }

  /** Release the microphone. */
  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = this.recorder = null;
    this.at('record').textContent = 'Record';
  }

  async #record() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      this.at('sound-name').textContent = `The microphone cannot be used: ${error.message}.`;
      return;
    }
    const chunks = [];
    this.recorder = new MediaRecorder(this.stream);
    this.recorder.addEventListener('dataavailable', ({ data }) => chunks.push(data));
    this.recorder.addEventListener('stop', async () => this.use(await wave(new Blob(chunks))));
    this.recorder.start();
    this.at('record').textContent = 'Stop';
  }

  #finish() {
    this.recorder.stop();
  }

  async #draw(file) {
    const canvas = this.at('waveform');
    const context = canvas.getContext('2d');
    context.clearRect(0, 0, canvas.width, canvas.height);
    const samples = await decoded(file).catch(() => null);
    if (!samples) return;
    context.fillStyle = getComputedStyle(canvas).color;
    const per = samples.length / canvas.width;
    for (let x = 0; x < canvas.width; x++) {
      let most = 0;
      for (let at = Math.floor(x * per); at < (x + 1) * per; at++) most = Math.max(most, Math.abs(samples[at] ?? 0));
      const height = Math.max(1, most * canvas.height);
      context.fillRect(x, (canvas.height - height) / 2, 1, height);
    }
  }
}

/** The first channel of a sound at a rate that models take. */
async function decoded(file) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const buffer = await context.decodeAudioData(await file.arrayBuffer());
  return buffer.getChannelData(0);
}

/** A recording as a WAV file of 16 bits: browsers record in formats that few programs decode. */
async function wave(blob) {
  const samples = await decoded(blob);
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at, word) => [...word].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((value, index) => view.setInt16(44 + index * 2, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new File([view.buffer], 'recording.wav', { type: 'audio/wav' });
}
