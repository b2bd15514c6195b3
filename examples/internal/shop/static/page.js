// What forms and pages cannot do for themselves. Without JavaScript the shop
// works too, but for these two things.
"use strict";

// A form is sent once. If it is sent again, the browser drops the answer to the
// first one, and what came with it: the new cookie, if that was the login.
const sent = new WeakSet();
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) {
    return; // the lab's, which is not sent
  }
  if (sent.has(event.target)) {
    event.preventDefault();
  }
  sent.add(event.target);
});

// A browser may put a whole page aside when it is left, and show it again at
// the back button: even with Cache-Control: no-store, and even after the
// logout. So a page hides when it is left, and is loaded anew if it comes back.
addEventListener("pagehide", () => {
  document.documentElement.hidden = true;
});
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.replace(location.pathname + location.search);
  }
});
