package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"keyfeed/internal/verify"
)

// verifyPrinter prints what keyfeed verify finds, as text or as JSON.
type verifyPrinter struct {
	out  *bufio.Writer
	json bool
	left int64 // findings that may still be printed
}

// findingLine is the JSON of a finding.
type findingLine struct {
	Kind        string              `json:"kind"`
	DB          int                 `json:"db"`
	Key         string              `json:"key"`
	KeyEnc      string              `json:"key_enc,omitempty"` // base64 where the key is not UTF-8
	Type        string              `json:"type"`
	Differences []verify.Difference `json:"differences"`
}

func (p *verifyPrinter) finding(f verify.Finding) error {
	if p.left--; p.left < 0 {
		return nil
	}
	if p.json {
		line := findingLine{Kind: "difference", DB: f.DB, Key: f.Key, Type: f.Type, Differences: f.Differences}
		if !utf8.ValidString(f.Key) {
			line.Key, line.KeyEnc = base64.StdEncoding.EncodeToString([]byte(f.Key)), "base64"
		}
		return p.line(line)
	}
	fmt.Fprintln(p.out, f.String())
	return p.flush()
}

func (p *verifyPrinter) line(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return p.flush()
}

// flush shows each finding at once: the next may be an hour away.
func (p *verifyPrinter) flush() error {
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// summaryLine is the JSON of the summary.
type summaryLine struct {
	Kind      string `json:"kind"`
	Complete  bool   `json:"complete"` // false: it ended before all was compared
	Equal     bool   `json:"equal"`
	Different int64  `json:"different"`
	Keys      int64  `json:"keys"`
	Extra     int64  `json:"target_keys"`
	Elements  int64  `json:"elements"`
	Healed    int64  `json:"healed"`
	Expired   int64  `json:"expired"`
	Soon      int64  `json:"soon"`
	Ms        int64  `json:"ms"`
}

func (p *verifyPrinter) summary(s verify.Summary, took time.Duration, complete bool) error {
	if p.json {
		return p.line(summaryLine{
			Kind: "summary", Complete: complete, Equal: complete && s.Different == 0, Different: s.Different, Keys: s.Keys, Extra: s.Extra,
			Elements: s.Elements, Healed: s.Healed, Expired: s.Expired, Soon: s.Soon, Ms: took.Milliseconds(),
		})
	}
	if p.left < 0 {
		fmt.Fprintf(p.out, "… and %d more that differ\n", -p.left)
	}
	verdict := "EQUAL"
	switch {
	case !complete:
		verdict = "NOT COMPLETE"
	case s.Different > 0:
		verdict = "DIFFERENT"
	}
	fmt.Fprintf(p.out, "%s: %d differ; %d keys of the source compared, %d of the target looked up, in %s",
		verdict, s.Different, s.Keys, s.Extra, took.Round(time.Millisecond))
	for _, extra := range []struct {
		n    int64
		text string
	}{
		{s.Healed, "differed at first only"},
		{s.Expired, "expired on one side"},
		{s.Soon, "deadlines within a minute not compared"},
	} {
		if extra.n > 0 {
			fmt.Fprintf(p.out, "; %d %s", extra.n, extra.text)
		}
	}
	fmt.Fprintln(p.out)
	return p.flush()
}

const (
	verifyLineEvery = 5 * time.Second        // on stderr
	verifyBarEvery  = 200 * time.Millisecond // where stderr is a terminal
)

// watchVerify shows how far it is until ctx ends: a bar on a terminal, else lines.
func watchVerify(ctx context.Context, v *verify.Verifier, stderr io.Writer) {
	every := verifyLineEvery
	var bar *progressbar.ProgressBar
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		every = verifyBarEvery
		bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(f), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("keys"), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
		defer func() { _ = bar.Finish() }() // a bar that cannot be drawn is no reason to stop
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	began, last := time.Now(), verify.Summary{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := v.Progress()
		keys := s.Keys + s.Extra
		if bar == nil {
			rate := float64(keys-last.Keys-last.Extra) / every.Seconds()
			fmt.Fprintf(stderr, "keyfeed: %d of about %d keys, %.0f/s, %d elements of large keys, %d to look at again, %d differ, %s\n",
				keys, max(s.Total, keys), rate, s.Elements, s.Waiting, s.Different, time.Since(began).Round(time.Second))
			last = s
			continue
		}
		if s.Total > 0 {
			bar.ChangeMax64(max(s.Total, keys))
		}
		bar.Describe(fmt.Sprintf("comparing, %d to look at again, %d differ", s.Waiting, s.Different))
		_ = bar.Set64(keys) // as above
	}
}
