package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// fill writes every data type, in two databases, and returns the number of keys.
func fill(ctx context.Context, c *redis.Client) (int64, error) {
	const library = "#!lua name=demo\nredis.register_function('hello', function() return 'hello' end)"
	for _, args := range [][]any{
		{"SET", "greeting", "hello, world"},
		{"SET", "visits", 41},
		{"SET", "photo", "\xff\xd8\xff\xe0 not text"},
		{"SET", "article", strings.Repeat("All work and no play makes Jack a dull boy. ", 50)},
		{"SET", "session:7f3a", "ada", "EX", 3600},
		{"SETBIT", "seen:2026-11-22", 1000, 1},
		{"PFADD", "visitors", "ada", "bob", "eve"},
		{"RPUSH", "queue:mail", "m1", "m2", "m3"},
		{"SADD", "tags:42", "redis", "cdc", "go"},
		{"SADD", "lucky", 7, 13, 42},
		{"ZADD", "scores", 10, "ada", 7.5, "bob", "-inf", "eve"},
		{"GEOADD", "cities", 13.361389, 38.115556, "Palermo", 2.349014, 48.864716, "Paris"},
		{"HSET", "user:1001", "name", "Ada", "born", 1815, "city", "London"},
		{"XADD", "orders", "1-1", "item", "tea", "n", 2},
		{"XADD", "orders", "1-2", "item", "milk", "n", 1},
		{"XGROUP", "CREATE", "orders", "billing", 0},
		{"XREADGROUP", "GROUP", "billing", "worker-1", "COUNT", 1, "STREAMS", "orders", ">"},
		{"FUNCTION", "LOAD", library},
	} {
		if err := c.Do(ctx, args...).Err(); err != nil {
			return 0, fmt.Errorf("%s: %w", args[0], err)
		}
	}
	other := redis.NewClient(&redis.Options{Addr: c.Options().Addr, DB: 3, Protocol: 2})
	if err := other.Set(ctx, "in another database", "yes", time.Hour).Err(); err != nil {
		return 0, fmt.Errorf("writing database 3: %w", err)
	}
	if err := other.Close(); err != nil {
		return 0, fmt.Errorf("closing a client: %w", err)
	}
	n, err := c.DBSize(ctx).Result()
	if err != nil {
		return 0, fmt.Errorf("counting keys: %w", err)
	}
	return n + 1, nil
}
