package redis

import (
	"strconv"
	"strings"
)

// shards is how many shards the sessions are spread over. Each shard is in one hash slot,
// and the slots are spread evenly over a Cluster. It is a constant because all nodes must
// agree on it, on a single Redis and in a Cluster, so that a single Redis can become a
// Cluster. The Lua scripts know it, too.
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

// shardOf returns the shard of an escaped id: of what is known about the id, and of a
// session that is created under it.
func shardOf(id string) int { return int(crc16(id) % shards) }

// shardOfEpoch returns the shard of a log, which never changes.
func shardOfEpoch(epoch uint64) int { return int(epoch % shards) }

// epochLen is the length of an epoch in hex.
const epochLen = 16

// shardOfPlace returns the shard of a log by its place: its epoch in hex, a dot, and how
// often it has moved. The epoch alone will do.
func shardOfPlace(v string) int {
	hex, _, _ := strings.Cut(v, ".")
	epoch, _ := strconv.ParseUint(hex, 16, 64)
	return shardOfEpoch(epoch)
}

func epochOf(v string) string {
	hex, _, _ := strings.Cut(v, ".")
	return hex
}

// crc16 returns the checksum by which Redis finds slots (XMODEM).
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
