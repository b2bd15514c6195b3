// Package handover carries a login from the service that knows users, account,
// to those that only trust it, which are called parties here: with messages
// that account signs, and a state that binds each to one browser.
//
//  1. Party.Begin puts a random state into the visitor's session at the party,
//     with the page to come back to, and sends the browser to account.
//  2. account, once the visitor is logged in there, signs a Claims with Signer:
//     who, for which party, for which state, good for a minute. The browser
//     brings it to the party.
//  3. Party.Open checks signature, party and time, before anything is locked.
//     Party.Finish takes the state out of the visitor's session, renews it, and
//     asks account whether that login is still alive.
//  4. When the login ends, account says so with a signed Logout, and the party
//     ends what it has of that login: Party.LogoutHandler.
//
// # What is refused, and by what
//
//   - A login that was not begun in this browser (login CSRF), or is used again,
//     or by somebody who has seen it in a log: the state is not in the session.
//     It is taken out under the session's Exclusive lock, so that of two that
//     come at once one finds it.
//   - What account has not signed, or for another party, or for another purpose,
//     or more than a minute ago: Ed25519, with the purpose as its context.
//   - A way back that leads elsewhere: only LocalPath is stored, and nothing
//     about it is ever read from the way back itself.
//   - A login that is ended while it is on its way: Finish first stores the
//     session, then asks account. A logout that comes before the question is
//     seen by it, and one that comes later finds the stored session.
//
// In production this is OpenID Connect, by a library: the README says why.
package handover
