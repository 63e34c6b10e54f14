// SPDX-License-Identifier: MIT

// Uses mini_redis through go-redis, with its default options.  usage: go run . HOST:PORT
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func expect[T comparable](wanted T) func(T, error) {
	return func(got T, err error) {
		check(err)
		if got != wanted {
			check(fmt.Errorf("got %v, expected %v", got, wanted))
		}
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	server := redis.NewClient(&redis.Options{Addr: os.Args[1]})
	check(server.FlushAll(ctx).Err())
	expect("PONG")(server.Ping(ctx).Result())
	expect("OK")(server.Set(ctx, "n", 1, time.Minute).Result())
	expect(int64(42))(server.IncrBy(ctx, "n", 41).Result())
	expect("42")(server.SetArgs(ctx, "n", "x", redis.SetArgs{Get: true, KeepTTL: true}).Result())
	if _, err := server.Get(ctx, "none").Result(); !errors.Is(err, redis.Nil) {
		check(fmt.Errorf("a missing key: %v", err))
	}
	expect(int64(2))(server.HSet(ctx, "h", "f", "1", "g", "2").Result())
	fields, err := server.HGetAll(ctx, "h").Result()
	check(err)
	expect("1")(fields["f"], nil)
	check(server.Watch(ctx, func(tx *redis.Tx) error {
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Incr(ctx, "c")
			return nil
		})
		return err
	}, "c"))
	expect("1")(server.Get(ctx, "c").Result())
	messages := server.Subscribe(ctx, "news")
	_, err = messages.Receive(ctx)
	check(err)
	expect(int64(1))(server.Publish(ctx, "news", "hello").Result())
	message, err := messages.ReceiveMessage(ctx)
	check(err)
	expect("hello")(message.Payload, nil)
	check(messages.Close())
	check(server.Close())
	fmt.Println("go-redis", redis.Version(), "works")
}
