package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// A redisStore is the store of several nodes, in one Redis. It has these keys:
//
//	tokens:turns:ID   hash: the turns of a conversation, each as JSON
//	tokens:claim:ID   who holds its claim; expires after the lease
//	tokens:stop:ID    the turn that is to be stopped; expires
//	tokens:claimed    set: the conversations whose claim was not released as complete
type redisStore struct{ redis rueidis.Client }

const (
	keepFor   = 30 * 24 * time.Hour // a conversation, after its last turn
	redisWait = 4 * time.Second     // for Redis, while it is started again
)

func (s *redisStore) turns(ctx context.Context, conversation string) ([]Turn, error) {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	all, err := s.redis.Do(ctx, s.redis.B().Hvals().Key("tokens:turns:"+conversation).Build()).AsStrSlice()
	if err != nil {
		return nil, err
	}

	turns := make([]Turn, len(all))
	for i, text := range all {
		if err := json.Unmarshal([]byte(text), &turns[i]); err != nil {
			return nil, fmt.Errorf("conversation %s: %w", conversation, err)
		}
	}
	sortTurns(turns)
	return turns, nil
}

var putTurn = rueidis.NewLuaScript(`
	if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
	redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
	redis.call('PEXPIRE', KEYS[2], ARGV[4])
	return ''`)

func (s *redisStore) put(ctx context.Context, conversation, holder string, t Turn) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	answer, err := s.run(ctx, putTurn, []string{"tokens:claim:" + conversation, "tokens:turns:" + conversation},
		holder, t.ID, string(text), milliseconds(keepFor))
	if err == nil && answer == "lost" {
		return errLost
	}
	return err
}

var takeClaim = rueidis.NewLuaScript(`
	local holder = redis.call('GET', KEYS[1])
	if holder and holder ~= ARGV[1] then return 'busy' end
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
	redis.call('SADD', KEYS[2], ARGV[3])
	return ''`)

func (s *redisStore) claim(ctx context.Context, conversation, holder string) error {
	answer, err := s.run(ctx, takeClaim, []string{"tokens:claim:" + conversation, "tokens:claimed"},
		holder, milliseconds(lease), conversation)
	if err == nil && answer == "busy" {
		return errBusy
	}
	return err
}

var renewClaim = rueidis.NewLuaScript(`
	if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
	redis.call('PEXPIRE', KEYS[1], ARGV[2])
	return redis.call('GET', KEYS[2]) or ''`)

func (s *redisStore) renew(ctx context.Context, conversation, holder string) (stopped string, err error) {
	answer, err := s.run(ctx, renewClaim, []string{"tokens:claim:" + conversation, "tokens:stop:" + conversation},
		holder, milliseconds(lease))
	if err == nil && answer == "lost" { // shorter than the id of a turn
		return "", errLost
	}
	return answer, err
}

var endClaim = rueidis.NewLuaScript(`
	if redis.call('GET', KEYS[1]) ~= ARGV[1] then return '' end
	redis.call('DEL', KEYS[1])
	if ARGV[2] == 'true' then redis.call('SREM', KEYS[2], ARGV[3]) end
	return ''`)

func (s *redisStore) release(ctx context.Context, conversation, holder string, complete bool) error {
	_, err := s.run(ctx, endClaim, []string{"tokens:claim:" + conversation, "tokens:claimed"},
		holder, strconv.FormatBool(complete), conversation)
	return err
}

var listAbandoned = rueidis.NewLuaScript(`
	local all = {}
	for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
		if redis.call('EXISTS', 'tokens:claim:' .. id) == 0 then all[#all + 1] = id end
	end
	return all`)

func (s *redisStore) abandoned(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	return listAbandoned.Exec(ctx, s.redis, []string{"tokens:claimed"}, nil).AsStrSlice()
}

func (s *redisStore) stop(ctx context.Context, conversation, turn string) error {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	note := s.redis.B().Set().Key("tokens:stop:" + conversation).Value(turn).Ex(time.Minute).Build()
	return s.redis.Do(ctx, note).Error()
}

// run runs a script. It retries while Redis does not answer: to run a script twice is the
// same as once.
func (s *redisStore) run(ctx context.Context, script *rueidis.Lua, keys []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	for {
		answer, err := script.Exec(ctx, s.redis, keys, args).ToString()
		var reply *rueidis.RedisError
		if err == nil || errors.As(err, &reply) && !reply.IsLoading() {
			return answer, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return "", err
		}
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
