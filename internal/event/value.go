package event

// Value is the value of a snapshot event. Owned by package event: the cutter makes it.
type Value struct{}

// Message holds the own fields of an OpMessage.
type Message struct{}
