/* Examples: search, filters, order, layout, and a histogram of their scores. */
(() => {
  const list = document.getElementById("examples");
  if (!list) return;
  const MOST_BINS = 24;
  const tools = document.querySelector(".tools");
  const query = document.getElementById("query");
  const order = document.getElementById("order");
  const direction = document.getElementById("direction");
  const below = document.getElementById("below");
  const belowLabel = document.getElementById("below-label");
  const count = document.getElementById("count");
  const all = document.getElementById("all");
  const histogram = document.getElementById("histogram");
  const boxes = Array.from(tools.querySelectorAll("[data-filter]"));
  const layouts = Array.from(tools.querySelectorAll("[data-layout]"));
  const collator = new Intl.Collator(undefined, { numeric: true });
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const examples = Array.from(list.children, (item) => ({
    item,
    scores: item.dataset.scores.split(" ").map((text) => (text === "" ? null : Number(text))),
    kinds: item.dataset.is.split(" "),
    caption: item.querySelector("h3").textContent.trim(),
    name: item.querySelector(".name").textContent,
    haystack: null,
  }));
  let isAscending = true;
  let metric = /^\d+$/.test(order.value) ? Number(order.value) : 0;
  let band = null; // [least, most): the scores of a bar of the histogram

  const haystackOf = (example) => {
    if (example.haystack === null) {
      const texts = Array.from(example.item.querySelectorAll("h3, .searched, .name"));
      example.haystack = fold(texts.map((one) => one.textContent).join("\n"));
    }
    return example.haystack;
  };
  const metricName = () => order.querySelector(`option[value="${metric}"]`)?.label ?? "score";

  const filter = () => {
    const words = fold(query.value).split(/\s+/).filter(Boolean);
    const kinds = boxes.filter((box) => box.checked).map((box) => box.dataset.filter);
    const limit = below && below.value !== "" ? Number(below.value) : null;
    // `data-any`: a filter is a kind of examples, and no example is of two kinds.
    const isKind = (example) => {
      const isOne = (kind) => example.kinds.includes(kind);
      const isAny = "any" in tools.dataset && kinds.length > 0;
      return isAny ? kinds.some(isOne) : kinds.every(isOne);
    };
    let numFound = 0;
    for (const example of examples) {
      const score = example.scores[metric] ?? null;
      const isFound =
        isKind(example) &&
        (limit === null || (score !== null && score < limit)) &&
        (band === null || (score !== null && score >= band[0] && score < band[1])) &&
        words.every((word) => haystackOf(example).includes(word));
      example.item.hidden = !isFound;
      numFound += Number(isFound);
    }
    const isFiltered = words.length + kinds.length > 0 || limit !== null || band !== null;
    all.hidden = !isFiltered;
    document.getElementById("none").hidden = numFound > 0 || examples.length === 0;
    count.textContent = isFiltered
      ? `${numFound} of ${examples.length} shown`
      : `all ${examples.length} shown`;
  };

  const isByText = () => order.value === "caption" || order.value === "name";
  const label = () => {
    const ends = order.selectedOptions[0].dataset.ends?.split("|");
    const names = isByText() ? ["A to Z", "Z to A"] : (ends ?? ["lowest first", "highest first"]);
    direction.textContent = names[isAscending ? 0 : 1];
  };

  const sort = () => {
    label();
    const sign = isAscending ? 1 : -1;
    const key = order.value;
    const compare = isByText()
      ? (one, other) => sign * collator.compare(one[key], other[key])
      : (one, other) => {
          const [first, second] = [one.scores[Number(key)], other.scores[Number(key)]];
          if (first === null || second === null) return (first === null) - (second === null);
          return sign * (first - second);
        };
    list.append(...Array.from(examples).sort(compare).map((example) => example.item));
    count.textContent = `sorted by ${order.selectedOptions[0].label}, ${direction.textContent}`;
  };

  // Bars of a round width: 1, 2 or 5 times a power of ten.
  const binsOf = (values) => {
    const [least, most] = [Math.min(0, ...values), Math.max(...values)];
    const finest = (most - least || 1) / MOST_BINS;
    const power = 10 ** Math.floor(Math.log10(finest));
    const width = power * [1, 2, 5, 10].find((factor) => factor * power >= finest);
    const first = Math.floor(least / width + 1e-9);
    const bins = [];
    for (let step = first; step === first || step * width < most - 1e-9; step += 1) {
      bins.push({ least: step * width, most: (step + 1) * width, count: 0 });
    }
    // The last bar contains its upper end.
    for (const value of values) {
      const place = Math.floor(value / width + 1e-9) - first;
      bins[Math.min(place, bins.length - 1)].count += 1;
    }
    const digits = Math.max(0, -Math.floor(Math.log10(width) + 1e-9));
    return { bins, digits };
  };

  const drawHistogram = () => {
    if (!histogram) return;
    const values = examples.map((one) => one.scores[metric] ?? null).filter((one) => one !== null);
    histogram.hidden = values.length < 2;
    belowLabel.textContent = `${metricName()} below`;
    if (histogram.hidden) return;
    const { bins, digits } = binsOf(values);
    const highest = Math.max(...bins.map((bin) => bin.count));
    document.getElementById("histogram-title").textContent =
      `Captions by ${metricName()}: click a bar to see those captions`;
    const bars = bins.map((bin, place) => {
      const bar = document.createElement("button");
      const range = `${bin.least.toFixed(digits)} to ${bin.most.toFixed(digits)}`;
      bar.type = "button";
      bar.tabIndex = place === 0 ? 0 : -1;
      bar.title = `${range}: ${bin.count}`;
      bar.setAttribute("aria-label", `${metricName()} ${range}: ${bin.count} captions`);
      bar.setAttribute("aria-pressed", "false");
      bar.style.setProperty("--share", String(bin.count / highest));
      const tick = document.createElement("span");
      tick.textContent = place % Math.ceil(bins.length / 8) === 0 ? bin.least.toFixed(digits) : "";
      bar.append(tick);
      // Numbers are compared with a small tolerance, as the bars were filled.
      const tolerance = (bin.most - bin.least) * 1e-9;
      bar.addEventListener("click", () => {
        const isOn = bar.getAttribute("aria-pressed") !== "true";
        for (const other of bars) other.setAttribute("aria-pressed", "false");
        bar.setAttribute("aria-pressed", String(isOn));
        band = isOn ? [bin.least - tolerance, bin.most - tolerance] : null;
        if (isOn && place === bins.length - 1) band[1] = Infinity;
        filter();
      });
      return bar;
    });
    histogram.querySelector(".bins").replaceChildren(...bars);
  };
  histogram?.addEventListener("keydown", (event) => {
    const bars = Array.from(histogram.querySelectorAll("button"));
    const place = bars.indexOf(event.target);
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: bars.length - 1 }[
      event.key
    ];
    if (place < 0 || bars[next] === undefined) return;
    event.preventDefault();
    for (const bar of bars) bar.tabIndex = bar === bars[next] ? 0 : -1;
    bars[next].focus();
  });

  const layOut = (name) => {
    list.classList.toggle("grid", name === "grid");
    for (const button of layouts) {
      button.setAttribute("aria-pressed", String(button.dataset.layout === name));
    }
  };
  for (const button of layouts) {
    button.addEventListener("click", () => layOut(button.dataset.layout));
  }
  // The number of an example leads to all that is known of it.
  list.addEventListener("click", (event) => {
    if (event.target.closest(".number")) layOut("list");
  });

  let pause = 0;
  query.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(filter, 80);
  });
  below?.addEventListener("input", filter);
  for (const box of boxes) box.addEventListener("change", filter);
  all.addEventListener("click", () => {
    query.value = "";
    if (below) below.value = "";
    for (const box of boxes) box.checked = false;
    band = null;
    drawHistogram();
    filter();
    query.focus();
  });
  order.addEventListener("change", () => {
    isAscending = true;
    const chosen = Number(order.value);
    if (!isByText() && chosen !== metric) {
      metric = chosen;
      band = null;
      drawHistogram();
      filter();
    }
    sort();
  });
  direction.addEventListener("click", () => {
    isAscending = !isAscending;
    sort();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, select, textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      query.focus();
    } else if (event.key === "Escape" && event.target === query && query.value) {
      query.value = "";
      filter();
    }
  });
  tools.hidden = false;
  label();
  drawHistogram();
  filter();
})();
