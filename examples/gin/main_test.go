package main

import (
	"testing"

	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
)

func TestShop(t *testing.T) { shoptest.Run(t, build) }

func TestBinaryEndsGracefully(t *testing.T) { shoptest.RunBinary(t) }
