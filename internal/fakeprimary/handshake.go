package fakeprimary

import (
	"fmt"
	"strings"
)

// Info is what INFO replies unless a script says otherwise.
const Info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:f00df00df00df00df00df00df00df00df00df00d\r\n" +
	"# Replication\r\nrole:master\r\n"

// Handshake answers commands until PSYNC and gives its arguments. replies overrides what is said, by the command's name
// or its first two words in upper case ("AUTH", "REPLCONF LISTENING-PORT"); an empty one means no reply at all.
func (c *Conn) Handshake(replies map[string]string) (replid, offset string, err error) {
	for {
		args, err := c.Read()
		if err != nil {
			return "", "", err
		}
		if len(args) == 0 {
			continue
		}
		name := strings.ToUpper(args[0])
		if name == "PSYNC" {
			if len(args) != 3 {
				c.p.violation(fmt.Sprintf("%q", args))
				return "", "", fmt.Errorf("%q is not PSYNC as a replica sends it", args)
			}
			return args[1], args[2], nil
		}
		two := name
		if len(args) > 1 {
			two += " " + strings.ToUpper(args[1])
		}
		reply, ok := replies[two]
		if !ok {
			reply, ok = replies[name]
		}
		if !ok {
			reply = usual(name)
		}
		if reply == "" {
			continue
		}
		if err := c.Send(reply); err != nil {
			return "", "", err
		}
	}
}

func usual(name string) string {
	switch name {
	case "PING":
		return "+PONG\r\n"
	case "INFO":
		return Bulk(Info)
	case "AUTH", "REPLCONF", "CLIENT":
		return "+OK\r\n"
	default:
		return "-ERR unknown command '" + name + "'\r\n"
	}
}

// Bulk makes a bulk reply.
func Bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }
