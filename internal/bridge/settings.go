package bridge

import (
	"fmt"

	"keyfeed/internal/event"
)

// settings are those of the configuration and the sink, for what begins now.
func (b *Bridge) settings() settings {
	s := settings{MaxBytes: b.cfg.MaxBytes, BinaryAlways: b.cfg.BinaryAlways, Publish: b.cfg.Publish, Decoder: decoderVersion}
	if b.maxRecord > 0 {
		s.MaxBytes = min(s.MaxBytes, max(b.maxRecord-event.MaxKeyBytes, b.maxRecord/2))
	}
	return s
}

// settingsLocked gives the settings for what follows in g: those that the sink's position counts by, else the stored ones in
// the middle of a unit or snapshot, else the current ones. They are stored before they are used (invariant 5). b.mu is held.
func (b *Bridge) settingsLocked(g *generation, inside bool) (settings, error) {
	want := b.settings()
	have := g.meta.Settings
	if under := b.countedLocked(g, inside); under != nil {
		if *under != want {
			b.log.Info("finishing what was begun under older settings", "gen", g.meta.Gen)
		}
		want, inside = *under, false
	}
	if have == want {
		return have, nil
	}
	if inside {
		if have.Decoder != decoderVersion {
			return have, fmt.Errorf("%w: generation %d was begun by a keyfeed that decodes differently (decoder %d, this is %d): "+
				"finish it with that version, or run keyfeed position reset", ErrOperator, g.meta.Gen, have.Decoder, decoderVersion)
		}
		b.log.Info("finishing what was begun under older settings", "gen", g.meta.Gen)
		return have, nil
	}
	m := g.meta
	m.Settings = want
	return want, b.saveMeta(g, m)
}

func (b *Bridge) eventSettings(s settings) event.Settings {
	return event.Settings{Source: b.cfg.Name, MaxBytes: s.MaxBytes, BinaryAlways: s.BinaryAlways}
}
