"use strict";

/*
 * Moving frames: a `.stage` draws the frames of the `.film` in the same `article`, each at its
 * time. It moves under the pointer and with the keyboard's focus, unless the reader wants less
 * motion, and a click, a tap or a key starts and stops it.
 */
const film = (() => {
  const SHORTEST = 20; // milliseconds that a frame stays at least
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const players = new Map();

  const player = (stage) => {
    if (players.has(stage)) return players.get(stage);
    const sheet = stage.closest("article").querySelector(".film");
    const image = sheet.querySelector("img");
    const canvas = stage.querySelector("canvas");
    const times = sheet.dataset.times.split(" ").map(Number);
    const columns = Number(sheet.dataset.columns);
    const duration = Number(sheet.dataset.duration);
    const clock = stage.querySelector(".clock");
    let timer = 0;
    const poster = Number(sheet.dataset.poster);
    let frame = poster;

    const draw = () => {
      const { width, height } = canvas;
      const [left, top] = [(frame % columns) * width, Math.floor(frame / columns) * height];
      canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
      clock.textContent = `${(times[frame] / 1000).toFixed(2)} s`;
      stage.style.setProperty("--part", String(duration ? times[frame] / duration : 0));
      stage.dataset.frame = String(frame);
    };
    const show = (wanted) => {
      frame = wanted;
      if (image.complete && image.naturalWidth) draw();
      else image.addEventListener("load", draw, { once: true });
    };
    const step = () => {
      const next = (frame + 1) % times.length;
      const until = next === 0 ? duration : times[next];
      timer = setTimeout(
        () => {
          show(next);
          step();
        },
        Math.max(SHORTEST, until - times[frame]),
      );
    };
    const self = {
      show,
      isPlaying: () => timer !== 0,
      play: () => {
        if (timer || times.length < 2) return;
        show(0);
        step();
        stage.classList.add("playing");
      },
      stop: () => {
        clearTimeout(timer);
        timer = 0;
        stage.classList.remove("playing");
      },
      rest: () => {
        self.stop();
        show(poster);
      },
    };
    players.set(stage, self);
    return self;
  };

  const isKept = (stage) => stage.getAttribute("aria-pressed") === "true";
  const stageAt = (event) => event.target.closest?.(".stage");
  const start = (event) => {
    const stage = stageAt(event);
    if (stage && !calm.matches && event.pointerType !== "touch") player(stage).play();
  };
  const end = (event) => {
    const stage = stageAt(event);
    if (!stage || isKept(stage) || stage.contains(event.relatedTarget)) return;
    if (!stage.matches(":hover, :focus-visible") || event.type === "focusout") player(stage).rest();
  };
  document.addEventListener("pointerover", start);
  document.addEventListener("pointerout", end);
  document.addEventListener("focusin", (event) => {
    if (stageAt(event)?.matches(":focus-visible")) start(event);
  });
  document.addEventListener("focusout", end);
  document.addEventListener("click", (event) => {
    const stage = stageAt(event);
    if (!stage) return;
    const isOn = !isKept(stage);
    stage.setAttribute("aria-pressed", String(isOn));
    if (isOn) player(stage).play();
    else player(stage).stop();
  });

  // A stage gets its picture when it comes near.
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        player(target).rest();
      }
    },
    { rootMargin: "600px" },
  );
  document.querySelectorAll(".stage").forEach((stage) => near.observe(stage));

  return {
    /** Show a frame of the stage beside an element, unless it moves. */
    show: (article, frame) => {
      const stage = article.querySelector(".stage");
      if (stage && !player(stage).isPlaying()) player(stage).show(frame);
    },
    rest: (article) => {
      const stage = article.querySelector(".stage");
      if (stage && !player(stage).isPlaying()) player(stage).rest();
    },
  };
})();
