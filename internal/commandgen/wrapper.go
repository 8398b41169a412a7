package commandgen

// Wrapper is a script that runs the calls in its arguments, each behind its number of words, and returns for each whether
// it was accepted (1 or 0).
const Wrapper = `local out, i = {}, 1
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  local r = redis.pcall(unpack(ARGV, i + 1, i + n))
  out[#out + 1] = (type(r) == 'table' and r.err) and 0 or 1
  i = i + n + 1
end
return out`

// Wrapped is the EVAL of [Wrapper] that runs the calls.
func Wrapped(calls []Call) []string {
	argv := []string{"EVAL", Wrapper, "0"}
	for _, c := range calls {
		argv = append(append(argv, itoa(len(c.Argv))), c.Argv...)
	}
	return argv
}
