//go:build race

package main

// raceDetector: the service is watched if the tests are.
const raceDetector = true
