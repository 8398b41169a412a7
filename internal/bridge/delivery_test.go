package bridge_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDeliveryIsShown: every row of docs/delivery.md ends with a test that exists, and every row of the tables here
// stands there.
func TestDeliveryIsShown(t *testing.T) {
	raw, err := os.ReadFile("../../docs/delivery.md")
	if err != nil {
		t.Fatal(err)
	}
	funcs, texts := testsHere(t)
	named := map[string]bool{}
	rows := 0
	cell := regexp.MustCompile("\\| `(Test[^`]+)` \\|$")
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") || strings.HasSuffix(line, "| test |") {
			continue
		}
		rows++
		m := cell.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("this row names no test: %s", line)
			continue
		}
		name, sub, isSub := strings.Cut(m[1], "/")
		if !funcs[name] {
			t.Errorf("there is no %s: %s", name, line)
		}
		if isSub && !texts[sub] {
			t.Errorf("no table has a row %q: %s", sub, line)
		}
		named[m[1]] = true
	}
	if rows < 50 {
		t.Errorf("only %d rows were found", rows)
	}
	for i := range fullRows {
		if name := "TestFullDisk/" + fullRows[i].id; !named[name] {
			t.Errorf("docs/delivery.md does not name %s", name)
		}
	}
	for _, table := range []struct {
		name string
		rows []row
	}{{"TestStart", startRows}, {"TestBrokenDisk", brokenRows}} {
		for i := range table.rows {
			if name := table.name + "/" + table.rows[i].id; !named[name] {
				t.Errorf("docs/delivery.md does not name %s", name)
			}
		}
	}
}

// testsHere finds the test functions that the page may name, here and of the sinks, and all texts in their files, the names
// of subtests among them.
func testsHere(t *testing.T) (funcs, texts map[string]bool) {
	t.Helper()
	funcs, texts = map[string]bool{}, map[string]bool{}
	for _, pattern := range []string{"*_test.go", "../../backlog/*_test.go", "../../sinks/kafka/*_test.go", "../../sinks/nats/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					funcs[n.Name.Name] = true
				case *ast.BasicLit:
					texts[strings.Trim(n.Value, "\"`")] = true
				}
				return true
			})
		}
	}
	return funcs, texts
}
