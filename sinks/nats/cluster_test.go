package nats_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/testenv"
	keyfeednats "keyfeed/sinks/nats"
)

// cluster is three servers in this process that keep three replicas.
type cluster struct {
	servers []*natsServer
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	var routes []string
	for range 3 {
		routes = append(routes, testenv.FreeAddr(t))
	}
	for n, route := range routes {
		_, port, err := net.SplitHostPort(route)
		if err != nil {
			t.Fatal(err)
		}
		options := server.Options{
			ServerName: fmt.Sprint("n", n), Host: "127.0.0.1", Port: testenv.FreePort(t),
			JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1"},
			Routes:  server.RoutesFromStr("nats://" + strings.Join(routes, ",nats://")),
		}
		if _, err := fmt.Sscan(port, &options.Cluster.Port); err != nil {
			t.Fatal(err)
		}
		c.servers = append(c.servers, &natsServer{options: options})
	}
	for _, s := range c.servers {
		s.launch(t)
		t.Cleanup(s.stop)
	}
	for _, s := range c.servers {
		s.ready(t)
	}
	testenv.Eventually(t, 2*time.Minute, "the cluster has a leader", func() bool {
		for _, s := range c.servers {
			if s.server.JetStreamIsLeader() {
				return len(s.server.JetStreamClusterPeers()) == 3
			}
		}
		return false
	})
	return c
}

func (c *cluster) urls() string {
	var all []string
	for _, s := range c.servers {
		all = append(all, s.url)
	}
	return strings.Join(all, ",")
}

// TestClusterLosesAndRepeatsNothing writes to a stream of three replicas, by two writers, while its leader steps down and
// a follower restarts, time and again.
func TestClusterLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := newCluster(t)
	conn, js := operator(t, c.urls())
	rng := rand.New(rand.NewPCG(seed, 7))
	each := map[keyfeednats.Publish]int64{
		keyfeednats.PublishFast: 40_000, keyfeednats.PublishAtomic: 5000, keyfeednats.PublishSingle: 1000,
	}
	last := int64(0)
	for _, publish := range ways() {
		last += each[publish]
		ctx := bounded(t)
		done := make(chan struct{}, 2)
		for n := range 2 {
			cfg := keyfeednats.Config{
				URL: c.urls(), Source: "redis", CreateStream: true, Replicas: 3, Publish: publish,
				MaxPendingRecords: 500, Timeout: 3 * time.Second,
			}
			a := newActor(cfg, seed, uint64(n), last)
			go func() {
				a.run(ctx, t)
				t.Logf("%s: writer %d failed %d times and was fenced %d times", publish, n, a.failed, a.fenced)
				done <- struct{}{}
			}()
		}
		for fault, left := 0, 2; left > 0; {
			select {
			case <-done:
				left--
			case <-ctx.Done():
				t.Fatal("the writers do not end")
			case <-time.After(time.Duration(50+rng.IntN(300)) * time.Millisecond):
				if fault++; fault > 3 {
					continue
				}
				leader := leaderOf(ctx, js)
				if rng.IntN(2) == 0 {
					if _, err := conn.Request("$JS.API.STREAM.LEADER.STEPDOWN.KEYFEED_redis", nil, 3*time.Second); err != nil {
						t.Logf("step down: %v", err)
					}
					continue
				}
				s := c.servers[rng.IntN(3)]
				if s.options.ServerName == leader || len(c.servers) < 3 {
					continue
				}
				s.stop()
				s.start(t)
			}
		}
		testenv.Eventually(t, 2*time.Minute, "the stream has a leader", func() bool { return leaderOf(ctx, js) != "" })
		wantExactly(t, c.urls(), last)
	}
}

func leaderOf(ctx context.Context, js jetstream.JetStream) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, "KEYFEED_redis")
	if err != nil || stream.CachedInfo().Cluster == nil {
		return ""
	}
	return stream.CachedInfo().Cluster.Leader
}
