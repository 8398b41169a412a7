package app

import (
	"fmt"

	"keyfeed/internal/config"
	"keyfeed/internal/redisurl"
	"keyfeed/internal/replay"
)

// TargetConfig describes the second server, which a replay writes to: to, the value of the option of that name, or the
// configuration's where it is empty. The error is a *config.Error.
func TargetConfig(cfg *config.Config, option, to string) (replay.Target, error) {
	t := &cfg.Target
	name := option
	if to == "" {
		name, to = "KEYFEED_TARGET_URL", t.URL.Reveal()
	}
	fail := func(format string, args ...any) (replay.Target, error) {
		return replay.Target{}, &config.Error{Problems: []string{name + ": " + fmt.Sprintf(format, args...)}}
	}
	if to == "" {
		return fail("say where the target is: %s redis://host:port, or KEYFEED_TARGET_URL", option)
	}
	u, err := redisurl.Parse(to, "target")
	if err != nil {
		return fail("%v", err)
	}
	out := replay.Target{Network: u.Network, Address: u.Address, Username: u.Username, Password: u.Password, Timeout: t.Timeout}
	if t.Password.IsSet() {
		if u.Username != "" || u.Password != "" {
			return fail("it holds a user or password, and so do KEYFEED_TARGET_USERNAME or KEYFEED_TARGET_PASSWORD: keep one")
		}
		out.Username, out.Password = t.Username, t.Password.Reveal()
	}
	if !u.TLS {
		if t.TLS.IsSet() {
			return fail("KEYFEED_TARGET_TLS_… is set, but the URL does not ask for TLS: write rediss://")
		}
		return out, nil
	}
	if out.TLS, err = t.TLS.Client(u.Host); err != nil {
		return fail("the target's TLS settings: %v", err)
	}
	return out, nil
}
