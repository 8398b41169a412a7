package sinks_test

import (
	"testing"

	"keyfeed/internal/testenv"
)

func TestMain(m *testing.M) { testenv.RunWithoutLeaks(m) }
