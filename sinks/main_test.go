package sinks_test

import (
	"testing"

	"keyfeed/sinks/sinktest"
)

func TestMain(m *testing.M) { sinktest.Main(m) }
