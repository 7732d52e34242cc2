// Shows every instant in the zone of whoever looks; without it the page shows the store's own zone.
"use strict";
const shape = new Intl.DateTimeFormat(undefined, {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
});
function localise() {
  for (const time of document.querySelectorAll("time[datetime]:not([data-left]):not([title])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.textContent.trim();
    time.textContent = shape.format(at);
  }
}
localise();
document.addEventListener("fresh", localise);
