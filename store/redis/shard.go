package redis

import (
	"strconv"
	"strings"
)

// The sessions are spread over so many shards, each in one hash slot, and the slots
// evenly over a Cluster. It is a constant because all nodes must agree on it, whatever
// they find Redis to be: so a single Redis can become a Cluster. lua knows it, too.
const shards = 64

// bases returns what the keys of each shard begin with: {prefix.n}, with the first n
// whose slot lies in that shard's part of the 16 384.
func bases(prefix string) (all [shards]string) {
	for n, found := 0, 0; found < shards; n++ {
		tag := prefix + "." + strconv.Itoa(n)
		if b := &all[crc16(tag)%16384/(16384/shards)]; *b == "" {
			*b = "{" + tag + "}"
			found++
		}
	}
	return all
}

// shardOf is the shard of an id, escaped: of what is known about it, and of the session
// that is made for it.
func shardOf(id string) int { return int(crc16(id) % shards) }

// shardOfEpoch is the shard of a log, for ever.
func shardOfEpoch(epoch uint64) int { return int(epoch % shards) }

// epochLen is how long an epoch is in hex.
const epochLen = 16

// shardOfPlace is that of a log by its place: its epoch in hex, and behind a dot how
// often it has moved.
func shardOfPlace(v string) int {
	hex, _, _ := strings.Cut(v, ".")
	epoch, _ := strconv.ParseUint(hex, 16, 64)
	return shardOfEpoch(epoch)
}

func epochOf(v string) string {
	hex, _, _ := strings.Cut(v, ".")
	return hex
}

// crc16 is the sum by which Redis finds slots (XMODEM).
func crc16(s string) (sum uint16) {
	for i := range len(s) {
		sum ^= uint16(s[i]) << 8
		for range 8 {
			if sum&0x8000 != 0 {
				sum = sum<<1 ^ 0x1021
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}
