package verify

import "slices"

// functions compares the libraries of functions of two servers that know them, by their code.
func (v *Verifier) functions() error {
	if !v.source.functions || !v.target.functions {
		return nil
	}
	var a, b map[string]digest
	err := v.both(func(d *side) error {
		all := map[string]digest{}
		*of(d, &a, &b) = all
		return d.data.ask(func(r *reader) error {
			n, err := r.array()
			for ; err == nil && n > 0; n-- {
				var name string
				var code digest
				err = r.fields(func(field string) (err error) {
					switch field {
					case "library_name":
						name, err = r.text()
					case "library_code":
						code, err = d.dig.text(r)
					default:
						err = r.skip()
					}
					return err
				})
				all[name] = code
			}
			return err
		}, "FUNCTION", "LIST", "WITHCODE")
	})
	if err != nil {
		return err
	}
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		codeA, inA := a[name]
		codeB, inB := b[name]
		d := Difference{What: WhatFunction}
		switch {
		case !inA:
			d = lacking(WhatFunction, "", v.target)
		case !inB:
			d = lacking(WhatFunction, "", v.source)
		case codeA == codeB:
			continue
		}
		if err := v.report(Finding{Key: name, Type: WhatFunction, Differences: []Difference{d}}); err != nil {
			return err
		}
	}
	return nil
}
