package config

import (
	"bytes"
	"fmt"
	"strings"
)

// Markdown is docs/configuration.md.
func Markdown() []byte {
	var b bytes.Buffer
	b.WriteString(`# Configuration

<!-- Made by go generate from internal/config; edit the struct there. -->

keyfeed is configured by environment variables only. ` + "`keyfeed config`" + ` prints what is in effect, without secrets.

- All problems are reported at once, with exit code 2.
- A name that begins with ` + "`KEYFEED_`" + ` and is not in the tables below is refused, with the nearest name that is. The names
  that Kubernetes gives to containers for a Service called keyfeed (` + "`KEYFEED_SERVICE_HOST`, `KEYFEED_PORT`, …" + "`" + `) are not
  looked at.
- A name that is set but empty is an error: unset it.
- A **secret** can also be given as the path of a file, in the name with ` + "`_FILE`" + ` at its end (Docker and Kubernetes secrets).
  One newline at the end of the file does not belong to the secret. Setting both is an error. No secret is ever printed or
  logged; neither is what a URL holds before its ` + "`@`" + `.
- Sizes have a unit: ` + "`B`, `KiB`, `MiB`, `GiB`, `TiB`" + `. Durations too: ` + "`ms`, `s`, `m`, `h`" + `. Switches are ` + "`true` or `false`" + `.
- Settings of a sink that is not in use have no effect; a warning says so.
`)
	group := ""
	for _, s := range settings(new(Config)) {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n## %s\n\n| setting | default | |\n|---|---|---|\n", group)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, code(s.tag.Get("envDefault")), s.explain())
	}
	return b.Bytes()
}

// code is text as Markdown code.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// explain is the description of a setting with the rules for its value.
func (s setting) explain() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(s.tag.Get("desc"), "|", `\|`))
	if allowed := s.oneOf(); allowed != nil {
		for i := range allowed {
			allowed[i] = code(allowed[i])
		}
		fmt.Fprintf(&b, " One of %s.", orList(allowed))
	}
	switch low, high := s.tag.Get("min"), s.tag.Get("max"); {
	case low != "" && high != "":
		fmt.Fprintf(&b, " From %s to %s.", low, high)
	case low != "":
		fmt.Fprintf(&b, " At least %s.", low)
	}
	if s.isSecret() {
		fmt.Fprintf(&b, " **Secret**, or `%s_FILE`.", s.name)
	}
	return b.String()
}

// EnvExample is .env.example: every setting as a comment, with its default or an example.
func EnvExample() []byte {
	var b bytes.Buffer
	b.WriteString(`# Settings of keyfeed, all with their defaults, or with an example where there is none (# e.g.).
# Made by go generate from internal/config. docs/configuration.md explains the rules.
`)
	group := ""
	for _, s := range settings(new(Config)) {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n# --- %s ---\n", group)
		}
		b.WriteByte('\n')
		for _, line := range wrap(s.tag.Get("desc"), 116) {
			b.WriteString("# " + line + "\n")
		}
		if allowed := s.oneOf(); allowed != nil {
			b.WriteString("# " + strings.Join(allowed, " | ") + "\n")
		}
		if def, ok := s.tag.Lookup("envDefault"); ok {
			fmt.Fprintf(&b, "#%s=%s\n", s.name, def)
		} else {
			fmt.Fprintf(&b, "# e.g. %s=%s\n", s.name, s.tag.Get("example"))
		}
	}
	return b.Bytes()
}

// wrap breaks text into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
