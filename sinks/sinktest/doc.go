// Package sinktest is the contract of [sinks.Sink] as tests. Every sink runs the same suite:
//
//	func TestContract(t *testing.T) {
//		sinktest.Run(t, func(t *testing.T) sinktest.Harness {
//			place := newPlace(t)
//			return sinktest.Harness{
//				New:  func(t *testing.T) sinks.Sink { return mysink.New(place.config()) },
//				Read: place.readAll,
//			}
//		}, sinktest.Features{ExactPosition: true, TotalOrder: true})
//	}
//
// The suite plays the pump: it owns a fixed sequence of records with positions of every kind (snapshot, between units,
// inside a unit), continues after the position that Open returns, and compares what is stored with the sequence. Its
// batches notice a second Release, and their bytes are overwritten at the first one, so that a sink that reads a batch
// after giving it back stores garbage.
//
// What a place cannot do is switched off in [Features], or left nil in [Harness]; each test says in its name what it
// needs.
package sinktest
