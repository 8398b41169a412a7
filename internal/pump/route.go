package pump

import (
	"keyfeed/internal/change"
	"keyfeed/internal/event"
)

// route says where e goes and by which key (docs/events.md, Transports).
func route(e *event.Event) (r change.Route, key []byte, kind string) {
	switch {
	case e.Op == event.OpTruncate:
		return change.RouteBroadcast, nil, "truncate"
	case e.Op == event.OpMessage:
		switch e.Kind {
		case event.KindPublish, event.KindUnknown:
			// By channel, or by the first argument, which in most commands is the key: what belongs together keeps its order.
			if len(e.Args) > 0 {
				return change.RouteKey, e.Args[0], e.Kind
			}
			return change.RouteKey, nil, e.Kind
		}
		return change.RouteBroadcast, nil, e.Kind
	case e.Omitted != nil && e.Omitted.KeyLeft:
		return change.RouteKey, e.Omitted.KeySHA256[:], ""
	default:
		return change.RouteKey, e.Key, ""
	}
}
