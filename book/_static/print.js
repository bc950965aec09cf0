// Paper is white: a dark page is printed in the light theme.
const printing = matchMedia("print");
let themeOnScreen = null;

printing.addEventListener("change", () => {
  const root = document.documentElement;
  if (printing.matches) {
    themeOnScreen = root.dataset.theme;
    root.dataset.theme = "light";
  } else if (themeOnScreen) {
    root.dataset.theme = themeOnScreen;
  }
});
