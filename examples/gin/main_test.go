package main

import (
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/sessionstate/sessionstate/examples/internal/shoptest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode) // as main does
	m.Run()
}

func TestShop(t *testing.T) { shoptest.Run(t, build) }

func TestA10_Script(t *testing.T) { shoptest.Script(t, buildProbed) }

func TestStream(t *testing.T) { shoptest.Stream(t, buildProbed) }

func TestBinaryEndsGracefully(t *testing.T) { shoptest.RunBinary(t) }
