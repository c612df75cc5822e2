package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/mirage-go/mirage/store"
)

// Memberships are part of the session's state: see lua/shared/members.lua.

// JoinTopic implements store.Log. A session has at most 4096 memberships. Beyond that,
// the error is ErrTopics.
func (l *log) JoinTopic(ctx context.Context, j store.TopicJoin) error {
	info := ""
	if j.Info != nil {
		info = "i" + string(j.Info)
	}
	_, err := l.run(ctx, "member_join", escape(j.Link.Reader), decimal(j.Link.Number),
		j.Topic, decimal(uint64(store.TopicHash(j.Topic))), decimal(uint64(j.At.Epoch)), decimal(j.At.Seq),
		strconv.Itoa(int(j.Begin)), flag(j.Again), decimal(j.Removals), strconv.Itoa(j.Max), info)
	if err == nil {
		l.wake()
	}
	return err
}

// LeaveTopic implements store.Log.
func (l *log) LeaveTopic(ctx context.Context, q store.TopicLeave) error {
	args := []string{escape(q.Link.Reader), decimal(q.Link.Number), q.Topic, encodeNotice(&q.Notice)}
	for _, epoch := range q.Epochs {
		args = append(args, decimal(uint64(epoch)))
	}
	_, err := l.run(ctx, "member_leave", args...)
	if err == nil {
		l.wake()
	}
	return err
}

// Removals implements store.Log.
func (l *log) Removals(ctx context.Context) (uint64, error) {
	a, err := l.run(ctx, "member_removals")
	return a.seq(1), err
}

// Topics implements store.Log.
func (l *log) Topics(ctx context.Context, ref store.LinkRef) (store.TopicsOfLink, error) {
	name := escape(ref.Reader)
	a, _, err := l.take(ctx, "member_topics", name, name, decimal(ref.Number), decimal(ref.Turn))
	if err != nil {
		return store.TopicsOfLink{}, err
	}

	all := store.TopicsOfLink{Version: a.seq(1)}
	for joined := a.list(2); len(joined) > 0; joined = joined[joinedFields:] {
		if len(joined) < joinedFields {
			return store.TopicsOfLink{}, errAnswer
		}
		j, err := decodeJoined(joined)
		if err != nil {
			return store.TopicsOfLink{}, err
		}
		all.Joined = append(all.Joined, j)
	}
	for _, s := range a.list(3) {
		n, err := decodeNotice(s)
		if err != nil {
			return store.TopicsOfLink{}, err
		}
		all.Notices = append(all.Notices, n)
	}
	return all, nil
}

// TopicTold implements store.Log.
func (l *log) TopicTold(ctx context.Context, ref store.LinkRef, topic string, told store.TopicTold) error {
	_, err := l.run(ctx, "member_told", escape(ref.Reader), decimal(ref.Number), topic, encodeTold(&told))
	if errors.Is(err, store.ErrFull) { // then the client is told again
		return nil
	}
	return err
}

// AckTopics implements store.Log.
func (l *log) AckTopics(ctx context.Context, ref store.LinkRef, at []store.TopicPosition) error {
	args := []string{escape(ref.Reader), decimal(ref.Number)}
	for _, p := range at {
		args = append(args, decimal(uint64(p.Topic)), decimal(uint64(p.Epoch)), decimal(p.Seq))
	}
	_, err := l.run(ctx, "member_ack", args...)
	return err
}

// joinedFields is how many fields the script returns of each topic that a link reads.
const joinedFields = 12

func decodeJoined(f []string) (j store.TopicJoined, err error) {
	n := numbers{fields: f}
	j.Topic = f[0]
	hash := n.uint32(1)
	j.At = store.TopicPosition{Topic: hash, Epoch: n.uint32(2), Seq: n.uint64(3)}
	j.Begin = store.Begin(n.uint32(4))
	if epoch := n.uint32(5); epoch != 0 {
		j.Acked = store.TopicPosition{Topic: hash, Epoch: epoch, Seq: n.uint64(6)}
	}
	j.Whole = f[7] == "1"
	if info, ok := strings.CutPrefix(f[8], "i"); ok {
		j.Info = []byte(info)
	}
	j.Asked, j.Began = n.uint64(9), n.uint64(10)
	if n.err == nil && f[11] != "" {
		j.Told, n.err = decodeTold(f[11])
	}
	return j, n.err
}

// Redis keeps what clients are told as it is.

func encodeTold(t *store.TopicTold) string {
	return strings.Join([]string{
		decimal(t.Asked), decimal(uint64(t.At.Topic)), decimal(uint64(t.At.Epoch)), decimal(t.At.Seq),
		decimal(t.Members),
	}, " ")
}

func decodeTold(s string) (t store.TopicTold, err error) {
	n := numbers{fields: strings.Split(s, " ")}
	t.Asked = n.uint64(0)
	t.At = store.TopicPosition{Topic: n.uint32(1), Epoch: n.uint32(2), Seq: n.uint64(3)}
	t.Members = n.uint64(4)
	return t, n.err
}

// encodeNotice returns "" for the zero notice.
func encodeNotice(n *store.TopicNotice) string {
	if n.Status == 0 {
		return ""
	}
	return strings.Join([]string{strconv.Itoa(n.Status), strconv.FormatInt(n.Retry, 10), n.Topic, n.Reason}, " ")
}

func decodeNotice(s string) (store.TopicNotice, error) {
	f := strings.SplitN(s, " ", 4)
	if len(f) != 4 {
		return store.TopicNotice{}, errAnswer
	}
	status, err := strconv.Atoi(f[0])
	retry, err2 := strconv.ParseInt(f[1], 10, 64)
	if err != nil || err2 != nil {
		return store.TopicNotice{}, errAnswer
	}
	return store.TopicNotice{Topic: f[2], Status: status, Reason: f[3], Retry: retry}, nil
}

// numbers parses fields of an answer. err is errAnswer once one of them is no number.
type numbers struct {
	fields []string
	err    error
}

func (n *numbers) uint64(i int) uint64 { return n.parse(i, 64) }
func (n *numbers) uint32(i int) uint32 { return uint32(n.parse(i, 32)) }

func (n *numbers) parse(i, bits int) uint64 {
	if i >= len(n.fields) {
		n.err = errAnswer
		return 0
	}
	v, err := strconv.ParseUint(n.fields[i], 10, bits)
	if err != nil {
		n.err = errAnswer
	}
	return v
}
