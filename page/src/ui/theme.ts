// Dark or light: as the computer is set, until the button is pressed.
import { find } from "./dom.ts";

/** Let the button switch between dark and light. */
export function listenForTheme(): void {
  const button = find<HTMLButtonElement>("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

  /** The button says what it leads to. */
  function name(): void {
    button.textContent = isDark() ? "Light theme" : "Dark theme";
  }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  dark.addEventListener("change", name);
  name();
}
