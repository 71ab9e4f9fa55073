-- Lua: tables, closures, coroutines, patterns, popen.
local function permutations(list, n)
  return coroutine.wrap(function()
    local function permute(k)
      if k == 0 then coroutine.yield(list) else
        for i = 1, k do list[i], list[k] = list[k], list[i]; permute(k - 1); list[i], list[k] = list[k], list[i] end
      end
    end
    permute(n)
  end)
end
local count, sum = 0, 0
for p in permutations({ 1, 2, 3, 4, 5, 6, 7, 8 }, 8) do count = count + 1; sum = (sum * 31 + p[1] * p[8]) % 1000003 end
print(count, sum)
local parts = {}
for i = 1, 200000 do parts[#parts + 1] = string.format("%x", i * 7919 % 65537) end
table.sort(parts)
local text = table.concat(parts, " ")
local hash = 0
for word in text:gmatch("%x+") do hash = (hash * 33 + tonumber(word, 16)) % 4294967296 end
print(#text, hash)
for line in io.popen("seq 1 5 | sort -r"):lines() do io.write(line, " ") end
print(os.execute("exit 3"))
print(pcall(error, { code = 42 }), select(2, pcall(string.rep, "x", -1)))
local weak = setmetatable({}, { __mode = "k" })
for i = 1, 10000 do weak[{}] = i end
collectgarbage()
print(next(weak))
local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
print(pcall(deep, 100000), pcall(deep, 1e7))
local name = os.tmpname()
local file = assert(io.open(name, "w+")); file:write("line one\nline two\n"); file:seek("set"); print(file:read("a")); file:close()
print(os.remove(name), os.rename("none", "other"))
os.exit(9)
