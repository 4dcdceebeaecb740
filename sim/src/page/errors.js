// Errors become part of the page, where a reader and a test find them.
function complain(error) {
  const box = document.getElementById("errors");
  box.hidden = false;
  box.textContent += `${error && error.stack ? error.stack : error}\n`;
}

function guarded(call) {
  try { call(); } catch (error) { complain(error); }
}

window.addEventListener("error", (event) => complain(event.error ?? event.message));
window.addEventListener("unhandledrejection", (event) => complain(event.reason));
