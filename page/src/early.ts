// Runs before the rest of the page has been read: a film that is dropped must not make the browser
// leave the page for the film. It is laid where chosen films lie; ui/drop.ts takes it from there.

window.addEventListener("dragover", (event) => event.preventDefault());
window.addEventListener("drop", (event) => {
  event.preventDefault();
  const input = document.querySelector<HTMLInputElement>("#files");
  const files = event.dataTransfer?.files;
  if (input && files && files.length > 0) {
    input.files = files;
  }
});
