-- Traces that LuaJIT records, runs and flushes, for as many seconds as it is told. Ten lines, as those of churn.c.
local seconds = tonumber(arg[1])
local start = os.time()

local source = [[
  local function add(a, b) return (a + b * %d) %% 1000003 end
  local sum = 0
  for i = 1, 200 do sum = add(sum, i) + math.floor(i / 3) end
  return sum
]]

local function count_lines(path)
  local count = 0
  for _ in io.lines(path) do count = count + 1 end
  return count
end

local functions = 0
for tenth = 1, 10 do
  while os.time() - start < seconds * tenth / 10 do
    for _ = 1, 100 do
      loadstring(source:format(functions))()
      functions = functions + 1
    end
    jit.flush()
  end
  local pages = io.open("/proc/self/statm"):read("*l"):match("%d+ (%d+)")
  print(("%d %d ms %d KiB %d mappings 0 patched"):format(functions, (os.time() - start) * 1000, pages * 4,
    count_lines("/proc/self/maps")))
  io.stdout:flush()
end
