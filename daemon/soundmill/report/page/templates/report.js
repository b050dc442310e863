// A player that goes from take to take and can be started from the picture; sorting and filtering of the takes.
(function () {
  "use strict";

  // Where the site shows the report, it leads back to the batch.
  var served = /^(.*\/-\/soundmill)\/report\/([^/]+)\//.exec(window.location.pathname);
  if (served && /^http/.test(window.location.protocol)) {
    var back = document.createElement("p");
    back.className = "sm-back";
    [["\u2190 The batch, live", "/batch/" + served[2]], ["Review its takes", "/review?batch=" + served[2]], ["Board", ""]].forEach(
      function (way) {
        var link = document.createElement("a");
        link.href = served[1] + way[1];
        link.textContent = way[0];
        back.append(link, " ");
      },
    );
    document.querySelector(".sm-head div").prepend(back);
  }

  var all = function (query, within) {
    return Array.prototype.slice.call((within || document).querySelectorAll(query));
  };

  // One player for all takes, put where it is asked for: a browser lays out, paints and watches each of its own, and
  // with a thousand of them that was half the work of scrolling.
  var player = document.createElement("audio");
  var start = 0; // where the take is to start, as a share of it
  player.controls = true;
  player.preload = "none";
  all("noscript").forEach(function (one) { one.remove(); }); // its text is no text of the take

  function play(link, share) {
    start = share;
    if (player.previousElementSibling === link && player.readyState >= 1) seek();
    else if (player.previousElementSibling !== link) {
      var former = player.previousElementSibling;
      if (former) {
        former.hidden = false;
        if (cursor(former)) cursor(former).remove();
      }
      player.src = link.href;
      player.setAttribute("aria-label", link.getAttribute("aria-label"));
      link.after(player);
      link.hidden = true;
    }
    player.play().catch(function () {}); // another take was asked for meanwhile, or the player shows what is wrong
  }

  function seek() {
    player.currentTime = Math.max(0, Math.min(1, start)) * player.duration;
  }
  player.addEventListener("loadedmetadata", function () { if (start > 0) seek(); });

  player.addEventListener("ended", function () {
    var wish = document.getElementById("sm-continue");
    var links = all("#sm-takes tbody .sm-play");
    var at = links.indexOf(player.previousElementSibling);
    if (!wish || !wish.checked || at < 0 || at + 1 === links.length) return;
    play(links[at + 1], 0);
    player.closest("tr").scrollIntoView({ block: "nearest" });
  });

  // A line that wanders over the picture while its take plays, where it has one beside it.
  function cursor(link) {
    var picture = link.parentNode.querySelector(".sm-picture");
    if (!picture) return null;
    var found = picture.querySelector(".sm-cursor");
    if (!found) {
      found = document.createElement("span");
      found.className = "sm-cursor";
      picture.appendChild(found);
    }
    return found;
  }
  player.addEventListener("play", function () {
    var link = player.previousElementSibling;
    var line = cursor(link);
    if (line) (function move() {
      if (player.previousElementSibling !== link) return;
      if (player.duration > 0) line.style.left = 100 * player.currentTime / player.duration + "%";
      if (player.ended) line.remove();
      else if (!player.paused) window.requestAnimationFrame(move);
    })();
  });

  // A click on a picture plays from there; without a script it opens the file.
  document.addEventListener("click", function (event) {
    var clicked = event.target.closest(".sm-play, .sm-picture[data-seek]");
    if (!clicked || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    var link = clicked.parentNode.querySelector(".sm-play");
    var box = clicked.getBoundingClientRect();
    var keyed = event.detail === 0; // 0 clicks: the Enter key
    play(link, clicked === link || keyed ? 0 : (event.clientX - box.left) / box.width);
    if (keyed && clicked === link) player.focus(); // its button is hidden now
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== " " || !event.target.matches(".sm-play")) return;
    event.preventDefault(); // a button is pressed with the space bar too
    event.target.click();
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
    var fitting = function (row) {
      if (verdict === "rated") return row.dataset.stars !== "";
      if (verdict === "kept" || verdict === "set-aside") return row.dataset.kept === verdict;
      return !verdict || row.dataset.verdict === verdict;
    };
    var others = form.elements.others && form.elements.others.checked;
    var levels = all("select[data-factor]", form);
    fits = rows.map(function (row, at) {
      return (row.dataset.final === "1" || others) &&
        fitting(row) &&
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
