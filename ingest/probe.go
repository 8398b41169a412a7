package ingest

import (
	"context"
	"strconv"
	"strings"
)

// Access says whether a command is open to our user.
type Access string

// The answers of Probe about a command.
const (
	AccessUnknown Access = "unknown" // the server cannot be asked without doing it: before 7.0, or without the right to ACL
	AccessAllowed Access = "allowed"
	AccessDenied  Access = "denied"
)

// Report is what Probe found.
type Report struct {
	Server   ServerInfo
	PSYNC    Access
	REPLCONF Access
	Advice   []string // what an operator should know before starting, one sentence each
}

// Probe connects and looks, for "keyfeed check". It starts no replication and changes nothing on the server. Its errors
// are those that Run would meet up to PSYNC.
func Probe(ctx context.Context, cfg Config) (Report, error) {
	var report Report
	g, leave, err := connect(ctx, &cfg)
	if err != nil {
		return report, err
	}
	defer leave()
	if report.Server, err = g.open(); err != nil {
		return report, err
	}
	if report.Server.Kind == "" {
		report.Advice = append(report.Advice, "INFO is not permitted, so what the source holds is not known: ACL SETUSER "+cfg.user()+" +info")
	}
	if report.REPLCONF, err = g.replconfAccess(); err != nil {
		return report, err
	}
	if report.PSYNC, err = g.psyncAccess(&report.Server); err != nil {
		return report, err
	}
	report.advise(&cfg)
	return report, nil
}

func (c Config) user() string {
	if c.Username == "" {
		return "default"
	}
	return c.Username
}

// replconfAccess tries it: what we offer is noted on this connection only, and gone with it.
func (g *greeting) replconfAccess() (Access, error) {
	r, err := g.ask(stepCapa, "REPLCONF", "capa", "psync2")
	switch {
	case err != nil:
		return AccessUnknown, err
	case r.isError():
		return AccessDenied, nil
	default:
		return AccessAllowed, nil
	}
}

// psyncAccess asks without doing it: ACL DRYRUN from 7.0 on, the rules of the user on 6.x, and before that there is no
// ACL, only rename-command.
func (g *greeting) psyncAccess(info *ServerInfo) (Access, error) {
	r, err := g.ask(stepPSYNC, "COMMAND", "INFO", "PSYNC")
	if err != nil {
		return AccessUnknown, err
	}
	if r.kind == '*' && len(r.items) == 1 && r.items[0].kind == '*' && r.items[0].null {
		return AccessDenied, nil // renamed or not there
	}
	exists := r.kind == '*'
	if r, err = g.ask(stepPSYNC, "ACL", "DRYRUN", g.cfg.user(), "PSYNC", "?", "-1"); err != nil {
		return AccessUnknown, err
	}
	switch {
	case r.kind == '+':
		return AccessAllowed, nil
	case r.kind == '$':
		return AccessDenied, nil // the text says why
	case strings.HasPrefix(r.text, "NOPERM"):
		return AccessUnknown, nil
	}
	if r, err = g.ask(stepPSYNC, "ACL", "GETUSER", g.cfg.user()); err != nil {
		return AccessUnknown, err
	}
	for i := 0; i+1 < len(r.items); i += 2 {
		if r.items[i].text == "commands" {
			return permits(r.items[i+1].text), nil
		}
	}
	if exists && r.isError() && info.major() > 0 && info.major() < 6 {
		return AccessAllowed, nil
	}
	return AccessUnknown, nil
}

// permits evaluates the rules of ACL GETUSER for PSYNC, left to right as the server does.
func permits(rules string) Access {
	access := AccessDenied
	for rule := range strings.FieldsSeq(strings.ToLower(rules)) {
		switch rule {
		case "+@all", "allcommands", "+@admin", "+@dangerous", "+@slow", "+psync":
			access = AccessAllowed
		case "-@all", "nocommands", "-@admin", "-@dangerous", "-@slow", "-psync":
			access = AccessDenied
		}
	}
	return access
}

// advise adds what an operator should know.
func (p *Report) advise(cfg *Config) {
	add := func(s string) { p.Advice = append(p.Advice, s) }
	if p.PSYNC == AccessDenied || p.REPLCONF == AccessDenied {
		_, hint := classify(stepPSYNC, "NOPERM", cfg.Username)
		add("PSYNC or REPLCONF is refused: " + hint + "; or the server does not offer replication")
	}
	s := &p.Server
	if s.Role == "slave" && !s.MasterLinkUp {
		add("this is a replica whose link to its master is down: no snapshot can be taken until it is up")
	}
	if s.BacklogSize > 0 && s.BacklogSize < 16<<20 {
		add("repl-backlog-size is " + strconv.FormatInt(s.BacklogSize, 10) +
			" bytes: after an outage in which more is written, a full resync follows; 64mb or more is usual")
	}
}
