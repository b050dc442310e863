// Players that take turns, the live board, and small help on Datasette's own pages. Every page works without it.
(function () {
  "use strict";

  // One player at a time.
  document.addEventListener("play", function (event) {
    document.querySelectorAll("audio").forEach(function (other) {
      if (other !== event.target) other.pause();
    });
  }, true);

  // "Play one after another" on a batch's page.
  function playOn() {
    var box = document.getElementById("sm-continue");
    if (!box) return;
    box.parentNode.hidden = false;
    document.addEventListener("ended", function (event) {
      var players = Array.prototype.slice.call(document.querySelectorAll(".sm-takes audio"));
      var next = players[players.indexOf(event.target) + 1];
      if (box.checked && next) {
        next.play();
        next.closest(".sm-take").scrollIntoView({ block: "nearest" });
      }
    }, true);
  }

  // The meaning of the columns: folded away above the table, and shown on each heading.
  function explainColumns() {
    var list = document.querySelector("dl.column-descriptions");
    if (list) {
      var fold = document.createElement("details");
      var summary = document.createElement("summary");
      summary.textContent = "What the columns mean";
      fold.className = "sm-fold";
      list.parentNode.insertBefore(fold, list);
      fold.appendChild(summary);
      fold.appendChild(list);
    }
    document.querySelectorAll("th[data-column-description]").forEach(function (heading) {
      heading.title = heading.getAttribute("data-column-description");
    });
  }

  // The board asks every two seconds, less often while it gets no answer, and not at all while nobody looks.
  function liveBoard() {
    var board = document.getElementById("sm-board");
    if (!board) return;
    var lost = document.getElementById("sm-lost");
    var pause = 2000;
    var seen = new Date();
    var shown = {};
    var timer = 0;
    var asking = false;

    function show(html) {
      Object.keys(html).forEach(function (name) {
        if (shown[name] === html[name]) return;
        shown[name] = html[name];
        var section = board.querySelector('[data-section="' + name + '"]');
        if (section && !section.contains(document.activeElement)) section.innerHTML = html[name];
      });
    }

    function refresh() {
      window.clearTimeout(timer);
      if (document.hidden || asking) return;
      asking = true;
      fetch(board.getAttribute("data-live"), { cache: "no-store" }).then(function (answer) {
        if (!answer.ok) throw new Error(String(answer.status));
        return answer.json();
      }).then(function (data) {
        show(data.html);
        seen = new Date();
        pause = 2000;
        lost.hidden = true;
      }).catch(function () {
        lost.querySelector("span").textContent = seen.toLocaleTimeString();
        lost.hidden = false;
        pause = Math.min(pause * 2, 30000);
      }).then(function () {
        asking = false;
        timer = window.setTimeout(refresh, pause);
      });
    }

    document.addEventListener("visibilitychange", function () {
      if (!document.hidden) refresh();
    });
    timer = window.setTimeout(refresh, pause);
  }

  // The rows of a query can be reviewed where they say which takes they speak of.
  var here = document.currentScript ? document.currentScript.src : "";
  function reviewRows() {
    var table = document.querySelector("body.query table.rows-and-columns");
    if (!table || !table.querySelector("td.col-audio, td.col-output_id, td.col-job_id")) return;
    var asked = new URLSearchParams(window.location.search);
    if (!asked.has("sql")) asked.set("sql-query-name", decodeURIComponent(window.location.pathname.split("/").pop()));
    var line = document.createElement("p");
    var link = document.createElement("a");
    link.href = here.replace(/\/static\/.*/, "/review?") + asked;
    link.textContent = "Review these takes";
    line.appendChild(link);
    var frame = table.closest(".table-wrapper") || table;
    frame.parentNode.insertBefore(line, frame);
  }

  // Datasette's editor stands in place of the field that has a name.
  function nameEditor() {
    document.querySelectorAll(".cm-content, .CodeMirror textarea").forEach(function (editor) {
      editor.setAttribute("aria-label", "SQL");
    });
  }

  window.addEventListener("load", function () {
    window.setTimeout(nameEditor); // once Datasette has made it, when the page is loaded
  });
  document.addEventListener("DOMContentLoaded", function () {
    playOn();
    reviewRows();
    explainColumns();
    liveBoard();
  });
})();
