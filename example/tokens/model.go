package main

import (
	"context"
	"hash/fnv"
	"io"
	"strings"
	"time"
)

// A Model answers questions. Yours sends the turns to a language model, and writes each
// piece of its answer to w as it comes:
//
//	for chunk := range stream {
//		if _, err := io.WriteString(w, chunk.Text); err != nil {
//			return err
//		}
//	}
type Model interface {
	// Answer answers the question of the last turn. The turns before it are the
	// conversation so far. ctx ends when somebody presses Stop, and when the program
	// ends.
	Answer(ctx context.Context, turns []Turn, w io.Writer) error
}

// simulated is a Model that knows a few paragraphs by heart. It writes a token at a time.
type simulated struct{ perToken time.Duration }

func (m simulated) Answer(ctx context.Context, turns []Turn, w io.Writer) error {
	tick := time.NewTicker(m.perToken)
	defer tick.Stop()
	for token := range strings.SplitAfterSeq(compose(turns), " ") {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := io.WriteString(w, token); err != nil {
			return err
		}
	}
	return nil
}

// compose returns the answer to the last turn. Different questions, and later turns, have
// different answers.
func compose(turns []Turn) string {
	h := fnv.New32a()
	h.Write([]byte(turns[len(turns)-1].Question))
	first := int(h.Sum32()>>8) + len(turns)

	paragraphs := []string{openings[first%len(openings)]}
	for i := range 4 {
		paragraphs = append(paragraphs, facts[(first+i)%len(facts)])
	}
	return strings.Join(append(paragraphs, closing), "\n\n")
}

var openings = []string{
	"A good question. I am only a simulation, so I answer every question with what I know by heart: how mirages work.",
	"Let me think. I know nothing about that, but I do know something about mirages, and I can tell it slowly.",
	"I was hoping that you would ask about mirages instead. So here is what there is to say about them.",
}

var facts = []string{
	"A mirage is not an illusion. It is real light that took a detour. Air above hot ground is thinner than the air " +
		"a metre higher, and light bends towards the denser air. A ray that comes down from the sky at a flat angle " +
		"is bent up again before it reaches the sand, and meets your eye from below. You see sky where there should " +
		"be ground, and because the air trembles, it looks like water.",
	"The bending is small. The refractive index of air is about 1.00028 at 15 °C, and for each degree it changes by " +
		"one part in a million. That is enough: over a kilometre of hot road, a ray that is tilted by half a degree " +
		"or less never touches the asphalt.",
	"There are two kinds:\n\n" +
		"  1. The inferior mirage appears below the real thing, over hot ground. It shows a piece of the sky.\n" +
		"  2. The superior mirage appears above it, where cold air lies under warm air. Ships seem to float, and " +
		"coasts beyond the horizon come into view.",
	"The most elaborate ones are called Fata Morgana, after the sorceress Morgan le Fay, whom sailors in the Strait " +
		"of Messina suspected of building castles in the air. Several layers of warm and cold air stack upright and " +
		"inverted images, which change from one minute to the next.",
	"Polar explorers have mapped mountains that were not there. In 1906 Robert Peary saw “Crocker Land” from the " +
		"coast of Ellesmere Island. Seven years later an expedition marched 200 km over the sea ice to reach it, and " +
		"found ice, and a better understanding of refraction.",
	"Can you photograph one? Yes. What reaches the eye reaches the lens: naïve as it sounds, the camera is not " +
		"fooled either, it only records where the light comes from. 🏜️ Use a long lens, stay close to the ground, " +
		"and wait for noon.",
	"And can you drink from it? No. As you walk towards it, the angle becomes steeper, and the water withdraws by as " +
		"much as you come nearer. It is always the same distance away: où que l’on soit, 蜃気楼 stays on the horizon.",
}

const closing = "That is all for now. While you read this, you may reload the page, open it in another browser, or " +
	"pull out the network cable: the sentence goes on where it was."
