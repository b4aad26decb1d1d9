/* Copying: a `.copy` button puts its `data-copy` on the clipboard and reports it in #copied. */
(() => {
  const SHOWN = 2000; // milliseconds that a button reports its success
  const report = document.getElementById("copied");
  if (!report) return;

  const bySelection = (text) => {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "hidden";
    document.body.append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    return isDone;
  };
  // A browser may refuse its clipboard to a page that is opened from a file.
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return bySelection(text);
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(".copy");
    if (!button) return;
    const text = button.dataset.copy;
    const label = button.dataset.label ?? button.textContent;
    button.dataset.label = label;
    const isDone = await copy(text);
    button.focus();
    if (isDone) {
      report.textContent = `Copied: ${text}`;
      button.textContent = "\u2713 Copied";
      setTimeout(() => {
        button.textContent = label;
      }, SHOWN);
    } else {
      const shown = document.createElement("p");
      shown.className = "small";
      shown.textContent = `The browser does not allow copying: ${text}`;
      button.replaceWith(shown);
    }
  });
})();
