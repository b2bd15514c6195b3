// Package shop is a small shop without a web framework in it: the products, the
// cart, what is kept in the session, and the pages. The examples beside it
// give it routes, one framework each, and show how little of a service has to
// know which framework it runs on.
//
// A framework's part does four things for each request: it reads the form,
// acquires the session through its adapter, does an Action, which is a method of
// Shop, and writes the Result. An error of an Action is for the adapter's Fail:
// it says that the session could not be used, not that the visitor did
// something wrong. That is a Result with a status from 400 to 499.
//
// # Security
//
// The shop is meant to be copied from, so it has what a real one needs: every
// change is a POST and is followed by a redirect, the login renews the
// session's ID, pages come from html/template, SecurityHeaders allow no script
// and no style but the shop's own files, and the routes sit behind net/http's
// CrossOriginProtection, or CheckOrigin where there is no *http.Request.
package shop
