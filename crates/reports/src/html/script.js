// The cursor over the charts, the table of the series, light and dark. The page says the same without it.
"use strict";
(() => {
  const root = document.documentElement;
  const report = JSON.parse(document.getElementById("report").textContent);
  const series = report.series;

  // Light and dark: the system's wish, until somebody says otherwise.
  const button = document.getElementById("theme");
  const wished = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const stored = () => { try { return localStorage.getItem("rehearsal-theme"); } catch { return null; } };
  const show = (theme) => {
    if (theme) root.dataset.theme = theme;
    button.textContent = (theme || wished()) === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `${button.textContent} colours`);
  };
  const hash = location.hash.slice(1);
  show(hash === "dark" || hash === "light" ? hash : stored());
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = (root.dataset.theme || wished()) === "dark" ? "light" : "dark";
    show(theme);
    try { localStorage.setItem("rehearsal-theme", theme); } catch { /* a page from a file may not store */ }
  });

  const round = (value, digits) => String(Number(value.toFixed(digits)));
  const time = (ms) => {
    if (ms === null || ms === undefined) return "–";
    if (ms < 9.95) return `${round(ms, 1)} ms`;
    if (ms < 999.5) return `${round(ms, 0)} ms`;
    if (ms < 99950) return `${round(ms / 1e3, 1)} s`;
    const whole = Math.round(ms / 1e3);
    return whole < 7200 ? `${Math.floor(whole / 60)} min ${whole % 60} s`
      : `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
  };
  const instant = (ms) => (series.interval_ms < 1000 && ms < 99950 ? `${(ms / 1e3).toFixed(1)} s` : time(ms));
  const count = (value) => (value === undefined ? "–" : value.toLocaleString("en-US"));
  const columns = [
    ["arrived", "arrived", count], ["served", "served", count], ["failed", "failed", count],
    ["p50_ms", "median", time], ["p99_ms", "p99", time], ["max_ms", "longest", time],
    ["lock_queue", "wait for a lock", count], ["pool_in_use", "connections in use", count],
    ["pool_queue", "wait for a connection", count],
  ];
  const element = (name, parent, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    parent.append(made);
    return made;
  };

  const timeline = document.querySelector(".timeline");
  if (timeline && series.arrived.length > 0) {
    const span = Number(timeline.dataset.span);
    const charts = [...timeline.querySelectorAll("svg.chart")];
    const hairs = charts.map((chart) => {
      const hair = document.createElementNS(chart.namespaceURI, "path");
      hair.setAttribute("class", "hair");
      chart.append(hair);
      return hair;
    });
    const tip = element("div", document.body, undefined, "tip");
    tip.hidden = true;
    let at = -1;

    const hide = () => {
      tip.hidden = true;
      hairs.forEach((hair) => hair.removeAttribute("d"));
    };
    const move = (place, x, y) => {
      at = Math.max(0, Math.min(series.arrived.length - 1, place));
      const ms = Math.min(span, (at + 0.5) * series.interval_ms);
      charts.forEach((chart, n) => {
        const [left, right] = [Number(chart.dataset.left), Number(chart.dataset.right)];
        hairs[n].setAttribute("d", `M${left + (ms / span) * (right - left)} 10V${chart.viewBox.baseVal.height - 24}`);
      });
      tip.replaceChildren();
      element("strong", tip, instant(at * series.interval_ms));
      const list = element("dl", tip);
      for (const [field, name, text] of columns) {
        element("dt", list, name);
        element("dd", list, text(series[field][at]));
      }
      tip.hidden = false;
      const box = tip.getBoundingClientRect();
      tip.style.left = `${x + 18 + box.width > innerWidth ? Math.max(4, x - box.width - 18) : x + 18}px`;
      tip.style.top = `${Math.max(4, Math.min(innerHeight - box.height - 4, y - box.height / 2))}px`;
    };
    const here = (event) => {
      const chart = event.target.closest("svg.chart");
      if (!chart) return hide();
      const box = chart.getBoundingClientRect();
      const drawn = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
      const part = (drawn - chart.dataset.left) / (chart.dataset.right - chart.dataset.left);
      if (part < 0 || part > 1) return hide();
      move(Math.floor((part * span) / series.interval_ms), event.clientX, event.clientY);
    };
    timeline.addEventListener("pointermove", here);
    timeline.addEventListener("pointerdown", here);
    timeline.addEventListener("pointerleave", hide);
    timeline.addEventListener("blur", hide);
    timeline.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] * (event.shiftKey ? 10 : 1);
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      const box = charts[0].getBoundingClientRect();
      const place = at < 0 ? 0 : at + step;
      const part = ((place + 0.5) * series.interval_ms) / span;
      const [left, right] = [Number(charts[0].dataset.left), Number(charts[0].dataset.right)];
      move(place, box.left + ((left + part * (right - left)) / charts[0].viewBox.baseVal.width) * box.width, innerHeight / 2);
    });

    // The charts as a table, made when it is asked for: it may have thousands of rows.
    const details = element("details", timeline.parentElement);
    element("summary", details, "As a table");
    details.addEventListener("toggle", () => {
      if (!details.open || details.querySelector("table")) return;
      const table = element("table", element("div", details, undefined, "scroll tall"));
      const head = element("tr", element("thead", table));
      element("th", head, "from", "n");
      columns.forEach(([, name]) => element("th", head, name, "n"));
      const body = element("tbody", table);
      series.arrived.forEach((_, place) => {
        const row = element("tr", body);
        element("td", row, instant(place * series.interval_ms), "n");
        columns.forEach(([field, , text]) => element("td", row, text(series[field][place]), "n"));
      });
    });
  }
  root.dataset.ready = "true";
})();
