// The sources of an image: a drawing, or a file, the clipboard or a camera.

/** White strokes on black. `onDrawn` receives a PNG when the pen is lifted, and null when the canvas is cleared. */
export class Drawing {
  // About the stroke width of the handwritten digits in common training data.
  static PEN = 80;
  static STEP = 20;
  static SENT = 128;

  constructor(canvas, onDrawn) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.onDrawn = onDrawn;
    this.strokes = [];
    this.isDown = false;
    // The position of the keyboard's pen; null while the pointer draws.
    this.pen = null;
    canvas.addEventListener('pointerdown', (event) => this.#down(event));
    canvas.addEventListener('pointermove', (event) => this.isDown && !this.pen && this.#to(this.#point(event)));
    for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, () => this.#up());
    canvas.addEventListener('keydown', (event) => this.#key(event));
    canvas.addEventListener('blur', () => { this.#up(); this.pen = null; this.#paint(); });
    this.#paint();
  }

  clear() {
    this.strokes = [];
    this.isDown = false;
    this.#paint();
    this.onDrawn(null);
  }

  #down(event) {
    event.preventDefault();
    this.canvas.focus({ focusVisible: false });
    this.canvas.setPointerCapture(event.pointerId);
    this.pen = null;
    this.#begin(this.#point(event));
  }

  #begin(point) {
    this.isDown = true;
    this.strokes.push([point]);
    this.#paint();
  }

  #to(point) {
    this.strokes.at(-1).push(point);
    this.#paint();
  }

  #up() {
    if (!this.isDown) return;
    this.isDown = false;
    this.#send();
  }

  #key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (move) {
      const held = (value) => Math.min(Math.max(value, 0), this.canvas.width);
      this.pen ??= [this.canvas.width / 2, this.canvas.height / 2];
      this.pen = this.pen.map((value, axis) => held(value + move[axis] * Drawing.STEP));
      if (this.isDown) this.#to(this.pen);
    } else if (event.key === ' ') {
      this.pen ??= [this.canvas.width / 2, this.canvas.height / 2];
      if (this.isDown) this.#up();
      else this.#begin(this.pen);
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.#paint();
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  #paint() {
    const { context, canvas } = this;
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.#trace(context);
    if (!this.pen) return;
    context.strokeStyle = this.isDown ? '#5b8cff' : '#888';
    context.lineWidth = 4;
    context.beginPath();
    context.arc(...this.pen, Drawing.PEN / 2, 0, 2 * Math.PI);
    context.stroke();
  }

  #trace(context) {
    Object.assign(context, { strokeStyle: '#fff', lineWidth: Drawing.PEN, lineCap: 'round', lineJoin: 'round' });
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      // A single point is a dot.
      for (const point of stroke.length > 1 ? stroke.slice(1) : stroke) context.lineTo(...point);
      context.stroke();
    }
  }

  /** Send the square around the strokes with a small margin: a digit fills its image, as in training data. */
  #send() {
    const points = this.strokes.flat();
    const range = (axis) => {
      const values = points.map((point) => point[axis]);
      return [Math.min(...values) - Drawing.PEN / 2, Math.max(...values) + Drawing.PEN / 2];
    };
    const [[left, right], [top, bottom]] = [range(0), range(1)];
    const side = Math.max(right - left, bottom - top) * 1.08;
    const cut = Object.assign(document.createElement('canvas'), { width: Drawing.SENT, height: Drawing.SENT });
    const context = cut.getContext('2d');
    context.fillRect(0, 0, Drawing.SENT, Drawing.SENT);
    context.scale(Drawing.SENT / side, Drawing.SENT / side);
    context.translate((side - left - right) / 2, (side - top - bottom) / 2);
    this.#trace(context);
    cut.toBlob((blob) => this.onDrawn(new File([blob], 'drawing.png', { type: 'image/png' })), 'image/png');
  }
}

/** An image from a file or a camera; `at` finds elements, `onFile` receives the file to send. */
export class ImageSource {
  constructor(at, onFile) {
    this.at = at;
    this.onFile = onFile;
    for (const id of ['file', 'photo']) {
      at(id).addEventListener('change', () => {
        if (at(id).files[0]) this.use(at(id).files[0]);
        // Without this, choosing the same file again fires no event.
        at(id).value = '';
      });
    }
    at('choose').addEventListener('click', () => at('file').click());
    at('camera').addEventListener('click', () => this.#open());
    at('shoot').addEventListener('click', () => this.#shoot());
    this.words = at('file-name').textContent;
    const preview = at('preview');
    preview.addEventListener('load', () => {
      preview.classList.toggle('small', preview.naturalWidth < 100);
      preview.hidden = false;
      at('drop-words').hidden = true;
    });
    // The service may decode an image that the browser cannot; otherwise the page shows the service's error.
    preview.addEventListener('error', () => this.#noPreview());
  }

  use(file) {
    this.stop();
    this.#noPreview();
    this.at('preview').src = URL.createObjectURL(file);
    this.at('file-name').textContent = `${file.name}, ${file.size} bytes`;
    this.onFile(file);
  }

  clear() {
    this.stop();
    this.#noPreview();
    this.at('file-name').textContent = this.words;
  }

  /** Release the camera. */
  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    for (const id of ['video', 'shoot']) this.at(id).hidden = true;
    this.at('camera').hidden = false;
  }

  #noPreview() {
    const preview = this.at('preview');
    if (preview.src) URL.revokeObjectURL(preview.src);
    preview.hidden = true;
    this.at('drop-words').hidden = false;
  }

  async #open() {
    // Without HTTPS or localhost the page cannot use the camera, but a phone's camera app can.
    if (!navigator.mediaDevices?.getUserMedia) {
      this.at('photo').click();
      return;
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    } catch (error) {
      this.at('file-name').textContent = `The camera cannot be used: ${error.message}.`;
      return;
    }
    const { at } = this;
    at('video').srcObject = this.stream;
    await at('video').play();
    this.#noPreview();
    at('drop-words').hidden = at('camera').hidden = true;
    at('video').hidden = at('shoot').hidden = false;
    at('shoot').focus();
  }

  #shoot() {
    const video = this.at('video');
    const still = Object.assign(document.createElement('canvas'), { width: video.videoWidth, height: video.videoHeight });
    still.getContext('2d').drawImage(video, 0, 0);
    still.toBlob((blob) => this.use(new File([blob], 'photo.jpg', { type: 'image/jpeg' })), 'image/jpeg', 0.92);
  }
}
