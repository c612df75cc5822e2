package main

import (
	"context"
	"fmt"

	"github.com/centrifugal/centrifuge"
)

type peers struct{ near, far *centrifuge.Node }

func newCentrifuge(addr string) engine {
	node := func() *centrifuge.Node {
		n, err := centrifuge.New(centrifuge.Config{})
		check(err)
		shard, err := centrifuge.NewRedisShard(n, centrifuge.RedisShardConfig{Address: addr})
		check(err)
		broker, err := centrifuge.NewRedisBroker(n,
			centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
		check(err)

		n.SetBroker(broker)
		n.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
			return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "user"}}, nil
		})
		n.OnConnect(func(*centrifuge.Client) {})
		check(n.Run())
		return n
	}

	return &peers{node(), node()}
}

func channel(i int) string { return fmt.Sprintf("%016x", i) }

func (e *peers) publish(i int, data []byte) error {
	_, err := e.near.Publish(channel(i), data, centrifuge.WithHistory(100, 120_000_000_000))
	return err
}

func (e *peers) keep(int) error { return nil } // the first publication creates the channel

func (e *peers) subscribe(i int, arrived func()) error {
	c, _, err := centrifuge.NewClient(context.Background(), e.far, link{arrived})
	if err != nil {
		return err
	}
	c.Connect(centrifuge.ConnectRequest{})
	return c.Subscribe(channel(i), centrifuge.WithPositioning(true), centrifuge.WithRecovery(true))
}

func (e *peers) close() {
	ctx, cancel := limit()
	defer cancel()
	_ = e.near.Shutdown(ctx)
	_ = e.far.Shutdown(ctx)
}

// link is a transport that only counts the messages it receives.
type link struct{ arrived func() }

func (link) Name() string                                { return "count" }
func (link) AcceptProtocol() string                      { return "" }
func (link) Protocol() centrifuge.ProtocolType           { return centrifuge.ProtocolTypeProtobuf }
func (link) ProtocolVersion() centrifuge.ProtocolVersion { return centrifuge.ProtocolVersion2 }
func (link) Unidirectional() bool                        { return true }
func (link) Emulation() bool                             { return false }
func (link) PingPongConfig() centrifuge.PingPongConfig {
	return centrifuge.PingPongConfig{PingInterval: -1}
}
func (link) Close(centrifuge.Disconnect) error { return nil }

func (link) DisabledPushFlags() uint64 {
	return centrifuge.PushFlagConnect | centrifuge.PushFlagDisconnect |
		centrifuge.PushFlagSubscribe | centrifuge.PushFlagUnsubscribe |
		centrifuge.PushFlagJoin | centrifuge.PushFlagLeave | centrifuge.PushFlagMessage
}

func (l link) Write([]byte) error {
	l.arrived()
	return nil
}

func (l link) WriteMany(all ...[]byte) error {
	for range all {
		l.arrived()
	}
	return nil
}
