// The theme, before anything is painted: the system's, until somebody chooses another.
try {
  const chosen = localStorage.getItem("alpenglow-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing: then it is the system's.
}

addEventListener("DOMContentLoaded", () => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const dark = () =>
    (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => button.setAttribute("aria-label", dark() ? "Change to light" : "Change to dark");
  name();
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    name();
    try {
      localStorage.setItem("alpenglow-theme", root.dataset.theme);
    } catch {
      // Until the next page, then.
    }
  });
});
