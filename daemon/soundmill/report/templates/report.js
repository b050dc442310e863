// Players that take turns and can be started from the picture; sorting and filtering of the takes.
(function () {
  "use strict";

  var all = function (query, within) {
    return Array.prototype.slice.call((within || document).querySelectorAll(query));
  };

  // One player at a time, and the next of the list when that is wished.
  document.addEventListener("play", function (event) {
    all("audio").forEach(function (other) {
      if (other !== event.target) other.pause();
    });
    follow(event.target);
  }, true);

  document.addEventListener("ended", function (event) {
    var wish = document.getElementById("sm-continue");
    if (!wish || !wish.checked) return;
    var players = all("#sm-takes tbody audio");
    var next = players[players.indexOf(event.target) + 1];
    if (!next || players.indexOf(event.target) < 0) return;
    next.play();
    next.closest("tr").scrollIntoView({ block: "nearest" });
  }, true);

  // A line that wanders over the picture while its take plays.
  function follow(audio) {
    var picture = audio.parentNode.querySelector(".sm-picture");
    if (!picture) return;
    var cursor = picture.querySelector(".sm-cursor");
    if (!cursor) {
      cursor = document.createElement("span");
      cursor.className = "sm-cursor";
      picture.appendChild(cursor);
    }
    (function move() {
      if (audio.duration > 0) cursor.style.left = 100 * audio.currentTime / audio.duration + "%";
      if (audio.paused || audio.ended) {
        if (audio.ended) cursor.remove();
      } else window.requestAnimationFrame(move);
    })();
  }

  // A click on a picture plays from there; without a script it opens the file.
  document.addEventListener("click", function (event) {
    var picture = event.target.closest(".sm-picture[data-seek]");
    if (!picture || event.ctrlKey || event.metaKey || event.shiftKey) return;
    var audio = picture.parentNode.querySelector("audio");
    if (!audio) return;
    event.preventDefault();
    var box = picture.getBoundingClientRect();
    var share = event.detail === 0 ? 0 : (event.clientX - box.left) / box.width; // 0 clicks: the Enter key
    var seek = function () {
      audio.currentTime = Math.max(0, Math.min(1, share)) * audio.duration;
    };
    if (audio.readyState >= 1) seek();
    else audio.addEventListener("loadedmetadata", seek, { once: true });
    audio.play();
  });

  // The takes: which are shown, and in which order.
  var table = document.getElementById("sm-takes");
  if (!table) return;
  var rows = all("tbody tr", table);
  var together = Number(table.dataset.together);
  var order = rows.map(function (_, at) { return at; });
  var fits = rows.map(function () { return true; });
  var form = document.getElementById("sm-filter");
  var words = rows.map(function (row) {
    return row.textContent.toLowerCase();
  });
  var conditions = rows.map(function (row) {
    return JSON.parse(row.dataset.levels || "[]");
  });
  form.hidden = false;

  function filter() {
    var wanted = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    var verdict = form.elements.verdict.value;
    var others = form.elements.others && form.elements.others.checked;
    var levels = all("select[data-factor]", form);
    fits = rows.map(function (row, at) {
      return (row.dataset.final === "1" || others) &&
        (!verdict || (verdict === "rated" ? row.dataset.stars !== "" : row.dataset.verdict === verdict)) &&
        wanted.every(function (word) { return words[at].indexOf(word) >= 0; }) &&
        levels.every(function (select) {
          return !select.value || conditions[at][Number(select.dataset.factor)] === select.value;
        });
    });
    arrange();
  }

  // The rows that fit, in order, in bodies of so many rows: a browser skips the bodies that are out of sight.
  function arrange() {
    var shown = order.filter(function (at) { return fits[at]; });
    all("tbody", table).forEach(function (body) { body.remove(); });
    for (var from = 0; from < shown.length; from += together) {
      var body = document.createElement("tbody");
      body.setAttribute("role", "rowgroup");
      shown.slice(from, from + together).forEach(function (at) { body.appendChild(rows[at]); });
      table.appendChild(body);
    }
    document.getElementById("sm-shown").textContent = shown.length + " of " + rows.length;
  }

  function value(at, key) {
    var factor = /^factor(\d+)$/.exec(key);
    var text = factor ? conditions[at][Number(factor[1])] || "" : rows[at].dataset[key] || "";
    return text === "" ? null : isNaN(text) ? text : Number(text);
  }

  function sort(key, descending) {
    order.sort(function (one, two) {
      var a = value(one, key), b = value(two, key);
      if (a === null || b === null) return (a === null) - (b === null) || one - two; // what has none comes last
      var less = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return (descending ? -less : less) || one - two;
    });
    arrange();
    all("th", table).forEach(function (heading) {
      var button = heading.querySelector("button");
      if (button && button.dataset.key === key) {
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      } else heading.removeAttribute("aria-sort");
    });
    form.elements.order.value = key + (descending ? " down" : " up");
  }

  all("th button", table).forEach(function (button) {
    button.addEventListener("click", function () {
      var now = button.closest("th").getAttribute("aria-sort");
      var first = button.dataset.first === "down";
      sort(button.dataset.key, now ? now === "ascending" : first);
    });
  });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("input", function (event) {
    if (event.target === form.elements.order) {
      var chosen = event.target.value.split(" ");
      sort(chosen[0], chosen[1] === "down");
    } else if (event.target.id !== "sm-continue") filter();
  });
  filter();
})();
