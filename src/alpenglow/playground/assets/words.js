// Errors in words: what went wrong, and what to do. Numbers and ids stay in small print.

const WORDS = {
  3010: ["One of the references is not a picture that can be read.", "PNG, JPEG, WebP, GIF and BMP are understood."],
  3006: ["The request is too large.", "Smaller pictures will do: they are scaled to 512 pixels anyway."],
  3021: ["Too many requests within a minute.", "Wait a moment, then try again."],
  3040: ["The server is busy.", "Other pictures are being made. Try again in a moment."],
  3046: ["It took too long.", "The server gave up. A smaller picture is made faster."],
  4006: ["Today's allocation is spent.", "It starts anew at midnight, UTC."],
  5007: ["This server has no such model.", "Choose another one."],
  6003: ["The token was not understood.", "Enter it again."],
  8007: ["Something broke inside the server.", "Its log says what."],
  9106: ["This server asks for a token.", "Enter one to go on."],
  9109: [
    "This page may not call the server.",
    "Set a token on the server, or list the page's origin in ALPENGLOW_CORS_ORIGINS.",
  ],
  10000: ["The token is not accepted here.", "Enter another one."],
  changed: ["A reference has changed on the disk.", "Remove it and add it again."],
  unreachable: ["The server cannot be reached.", "Is it still running?"],
  broken: ["The connection ended before the picture was there.", "Is the server still running?"],
};

const FAULTS = [
  [/'\/(\w+)' must be >= (\S+)/, (_, name, least) => `${label(name)} must be at least ${least}.`],
  [/'\/(\w+)' must be <= ([^\s,]+)/, (_, name, most) => `${label(name)} must be at most ${most}.`],
  [/Length of '\/(\w+)' must be >= 1/, (_, name) => `${label(name)} is empty.`],
  [/required properties at '\/' are '(\w+)'/, (_, name) => `${label(name)} is missing.`],
  [
    /Type mismatch of '\/(\w+)', '(\w+)' not in/,
    (_, name, kind) => `${label(name)} must be ${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}.`,
  ],
];

/** `input_image_0` -> "Image 0", `output_format` -> "Output format". */
export function label(name) {
  const words = name
    .replace(/^input_/, "")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll("_", " ")
    .toLowerCase();
  return words[0].toUpperCase() + words.slice(1);
}

/** [what happened, what to do, the server's own message]. */
export function inWords(error) {
  const own = error.message ?? String(error);
  for (const [pattern, say] of FAULTS) {
    const found = own.match(pattern);
    if (error.code === 5006 && found) return [say(...found), "Change it and try again.", own];
  }
  if (error.code === 3040 && /loading|stop/.test(own))
    return ["The server is not ready.", "It is starting or stopping. Try again in a moment.", own];
  const [what, hint] = WORDS[error.code] ?? ["That did not work.", "The server's own words stand below."];
  return [what, hint, own];
}

export const seconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;

export const neurons = (value) =>
  `${value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 })} neurons`;

/** Small amounts with two digits that count. */
export function dollars(value) {
  if (value === 0) return "$0";
  return `$${value < 0.1 ? value.toLocaleString("en", { maximumSignificantDigits: 2, useGrouping: false }) : value.toFixed(2)}`;
}
