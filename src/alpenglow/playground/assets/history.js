// Pictures that were made, in this browser's IndexedDB: they survive a reload and leave the machine never.

const STORE = "pictures";

export class History {
  /** Opens the database. Where there is none (a private window, say), or no room, pictures last as long as the page. */
  static async open() {
    const history = new History();
    history.database = await new Promise((resolve) => {
      let asked;
      try {
        asked = indexedDB.open("alpenglow", 1);
      } catch {
        return resolve(null); // a browser that keeps nothing
      }
      asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => resolve(null);
    });
    history.memory = [];
    return history;
  }

  /** All pictures, the newest first. */
  async all() {
    const stored = this.database ? await this.#ask("readonly", (store) => store.getAll()) : [];
    return [...stored, ...this.memory].reverse();
  }

  /** Gives the id under which it is kept. */
  async add(picture) {
    const stored = this.database && (await this.#ask("readwrite", (store) => store.add(picture)).catch(() => null));
    if (stored) return stored;
    this.memory.push({ ...picture, id: -picture.at }); // the database counts from one
    return -picture.at;
  }

  async remove(id) {
    this.memory = this.memory.filter((picture) => picture.id !== id);
    if (this.database) await this.#ask("readwrite", (store) => store.delete(id));
  }

  async clear() {
    this.memory = [];
    if (this.database) await this.#ask("readwrite", (store) => store.clear());
  }

  /** What was asked for is done once the whole transaction is: for lack of room it may fail after the request. */
  #ask(mode, deed) {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(STORE, mode);
      const asked = deed(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

/** A small square of a picture's middle, for the strip. */
export async function thumbnail(blob, side = 224) {
  const bitmap = await createImageBitmap(blob);
  const edge = Math.min(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(side, side);
  canvas
    .getContext("2d")
    .drawImage(bitmap, (bitmap.width - edge) / 2, (bitmap.height - edge) / 2, edge, edge, 0, 0, side, side);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
}
