// Says on every page within seconds that the daemon is gone, hangs, or cannot record what it does.
(function () {
  "use strict";
  var asked = document.currentScript.src.replace(/static\/daemon\.js.*$/, "daemon.json");
  var EVERY_MS = 2500;
  var QUIET = ["stopped", "unknown"]; // said where the board is: a site may well be read without a daemon
  var FINE = ["running", "stopping"];
  var timer = 0;

  function place() {
    var found = document.getElementById("sm-daemon");
    if (found) return found;
    var content = document.querySelector("section.content");
    if (!content) return null;
    found = document.createElement("p");
    found.id = "sm-daemon";
    found.setAttribute("role", "status");
    found.hidden = true;
    content.parentNode.insertBefore(found, content);
    return found;
  }

  function show(life) {
    var line = place();
    if (!line) return;
    var quiet = QUIET.indexOf(life.state) >= 0;
    line.hidden = FINE.indexOf(life.state) >= 0 || (quiet && !line.hasAttribute("data-says-all"));
    line.className = quiet ? "message-info" : "message-warning";
    if (line.textContent !== (life.message || "")) line.textContent = life.message || "";
  }

  function ask() {
    window.clearTimeout(timer);
    if (document.hidden) return;
    fetch(asked, { cache: "no-store" }).then(function (answer) {
      if (answer.ok) return answer.json().then(show);
    }).catch(function () {}).then(function () {
      timer = window.setTimeout(ask, EVERY_MS);
    });
  }

  document.addEventListener("visibilitychange", ask);
  document.addEventListener("DOMContentLoaded", ask);
})();
