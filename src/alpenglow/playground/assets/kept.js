// A few words by their names, in this browser; for as long as the page lasts where the browser keeps nothing.

const memory = new Map();

export function kept(name) {
  try {
    return memory.get(name) ?? localStorage.getItem(name);
  } catch {
    return memory.get(name) ?? null;
  }
}

/** Keep `value` under `name`; null forgets what was kept. */
export function keep(name, value) {
  memory.delete(name);
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    if (value !== null) memory.set(name, value);
  }
}
