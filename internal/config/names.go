package config

import (
	"regexp"

	"github.com/agnivade/levenshtein"
)

// isKubernetes reports whether a name is one that Kubernetes gives to containers for a Service whose name begins with
// "keyfeed": KEYFEED_SERVICE_HOST, KEYFEED_SERVICE_PORT, KEYFEED_SERVICE_PORT_HTTP, KEYFEED_PORT, KEYFEED_PORT_9622_TCP,
// KEYFEED_PORT_9622_TCP_ADDR (kubernetes.io, Environment variables of Services).
func isKubernetes(name string) bool {
	return regexp.MustCompile(
		`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`,
	).MatchString(name)
}

// nearest is a hint at the known name that an unknown one may stand for; empty where none is near.
func nearest(name string, known []string) string {
	best, least := "", len(name)/3+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return "; keyfeed config lists all settings"
	}
	return ": did you mean " + best + "?"
}
