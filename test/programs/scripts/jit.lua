-- LuaJIT: traces compiled to machine code, a C function called back through the foreign function interface.
local ffi = require("ffi")
ffi.cdef([[
typedef struct { int key, value; } pair;
void qsort(void *, size_t, size_t, int (*)(const pair *, const pair *));
]])
local pairs_ = ffi.new("pair[?]", 2000)
for i = 0, 1999 do pairs_[i].key = i * 7919 % 2003; pairs_[i].value = i end
ffi.C.qsort(pairs_, 2000, 8, function(a, b) return a.key - b.key end)
print(pairs_[0].key, pairs_[1999].key, pairs_[1000].value)
local sum = 0
for i = 1, 2e7 do sum = (sum * 31 + i) % 1000003 end
print(sum)
local words = {}
for i = 1, 100000 do words[i] = tostring(i * 7919 % 65537) end
table.sort(words)
print(#table.concat(words, " "), words[5000])
print((("some text"):gsub("%w+", string.upper)), pcall(error, "an error", 0))
local co = coroutine.wrap(function() for i = 1, 1e5 do coroutine.yield(i) end end)
for _ = 1, 99999 do co() end
print(co(), (jit.status()))
os.exit(3)
