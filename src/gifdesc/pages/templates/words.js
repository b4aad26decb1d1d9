/* Words: the frames that each word attended to. */
(() => {
  const weightsOf = (button) =>
    button.dataset.weights.match(/../g).map((digits) => parseInt(digits, 16) / 255);
  const greatestOf = (group) =>
    Math.max(1 / 255, ...Array.from(group.children, weightsOf).flat());

  // A strip of heat under every word, a field for each frame, drawn when it comes near.
  const heat = (group) => {
    const greatest = greatestOf(group);
    const towards = getComputedStyle(group).direction === "rtl" ? "to left" : "to right";
    for (const button of group.children) {
      const weights = weightsOf(button);
      const fields = weights.map((weight, frame) => {
        const part = Math.round((100 * weight) / greatest);
        const colour = `color-mix(in srgb, var(--accent) ${part}%, transparent)`;
        return `${colour} ${(100 * frame) / weights.length}% ${(100 * (frame + 1)) / weights.length}%`;
      });
      button.style.setProperty("--heat", `linear-gradient(${towards}, ${fields.join()})`);
    }
  };
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        near.unobserve(entry.target);
        entry.target.querySelectorAll(".words").forEach(heat);
      }
    },
    { rootMargin: "600px" },
  );
  document.querySelectorAll(".examples > li").forEach((item) => near.observe(item));

  const show = (button) => {
    const article = button.closest("article");
    const sheet = article.querySelector(".film");
    let veil = sheet.querySelector(".veil");
    if (!veil) {
      veil = document.createElement("div");
      veil.className = "veil";
      veil.setAttribute("aria-hidden", "true");
      for (let frame = 0; frame < Number(sheet.dataset.frames); frame += 1) {
        veil.append(document.createElement("span"));
      }
      sheet.append(veil);
    }
    const weights = weightsOf(button);
    const greatest = Math.max(...weights);
    veil.hidden = false;
    weights.forEach((weight, frame) => {
      const field = veil.children[frame];
      const isMost = weight >= greatest / 2;
      field.style.setProperty("--veil", String(0.85 * (1 - weight / greatest)));
      field.className = isMost ? "most" : "";
      field.replaceChildren();
      if (isMost) {
        const label = document.createElement("b");
        label.textContent = `${Math.round(100 * weight)} %`;
        field.append(label);
      }
    });
    article.querySelector(".look").textContent = button.getAttribute("aria-label");
    film.show(article, weights.indexOf(greatest));
  };

  const rest = (article) => {
    const kept = article.querySelector('.words [aria-pressed="true"]');
    const focused = article.querySelector(".words button:focus-visible");
    if (kept || focused) {
      show(focused || kept);
      return;
    }
    article.querySelector(".veil")?.remove();
    article.querySelector(".look").textContent = "";
    film.rest(article);
  };

  const wordAt = (event) => event.target.closest?.(".words button");
  const arrows = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

  document.addEventListener("pointerover", (event) => {
    if (wordAt(event)) show(wordAt(event));
  });
  document.addEventListener("pointerout", (event) => {
    if (wordAt(event)) rest(event.target.closest("article"));
  });
  document.addEventListener("focusin", (event) => {
    if (wordAt(event)) show(wordAt(event));
  });
  document.addEventListener("focusout", (event) => {
    const article = wordAt(event)?.closest("article");
    if (article) setTimeout(() => rest(article));
  });
  document.addEventListener("click", (event) => {
    const word = wordAt(event);
    if (!word) return;
    const wasKept = word.getAttribute("aria-pressed") === "true";
    for (const other of word.parentElement.children) other.setAttribute("aria-pressed", "false");
    word.setAttribute("aria-pressed", String(!wasKept));
    show(word);
  });
  document.addEventListener("keydown", (event) => {
    const word = wordAt(event);
    if (!word) return;
    const words = Array.from(word.parentElement.children);
    let place = words.indexOf(word);
    if (event.key in arrows) {
      const isMirrored = getComputedStyle(word.parentElement).direction === "rtl";
      const isAcross = event.key === "ArrowLeft" || event.key === "ArrowRight";
      place += isMirrored && isAcross ? -arrows[event.key] : arrows[event.key];
    } else if (event.key === "Home") {
      place = 0;
    } else if (event.key === "End") {
      place = words.length - 1;
    } else {
      return;
    }
    event.preventDefault();
    const next = words[(place + words.length) % words.length];
    for (const other of words) other.tabIndex = other === next ? 0 : -1;
    next.focus();
  });
})();
