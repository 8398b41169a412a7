// Package status serves what a process says about itself over HTTP:
//
//	/livez    200 while the process works; for a liveness probe. It asks nothing of source or sink: a broker that is
//	          away must not restart keyfeed.
//	/readyz   200 when the source streams, or a snapshot is under way, and the sink is open; else 503 and the reason
//	/status   all of it as JSON
//
// It shows positions, counters and addresses, never a key, a value or a secret.
package status
