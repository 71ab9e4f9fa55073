# Ruby: threads, fibers, processes, pipes, signals, sockets, garbage collection.
require "socket"
require "digest"
require "open3"
require "timeout"
STDOUT.sync = true
puts (1..4).map { |n| Thread.new { (1..20_000).reduce { |a, b| (a * n + b) % 1_000_003 } } }.map(&:value).inspect
fiber = Fiber.new { a, b = 0, 1; loop { Fiber.yield a; a, b = b, a + b } }
puts Array.new(30) { fiber.resume }.last
text = Array.new(100_000) { |i| "line #{i * 7919 % 10_007}" }
puts Digest::SHA256.hexdigest(text.sort.join("\n")), text.uniq.size
reader, writer = IO.pipe
pids = Array.new(3) { |i| fork { writer.puts "child #{i}"; exit!(i + 3) } }
puts pids.map { |pid| Process.wait2(pid)[1].exitstatus }.inspect
writer.close
puts reader.readlines.sort.join
out, err, status = Open3.capture3("sh", "-c", "sort; echo error >&2; exit 7", stdin_data: "c\nb\na\n")
puts out, err, status.exitstatus
server = TCPServer.new("127.0.0.1", 0)
acceptor = Thread.new { 3.times { client = server.accept; client.puts client.gets.upcase; client.close } }
3.times { |i| TCPSocket.open("127.0.0.1", server.addr[1]) { |s| s.puts "hello #{i}"; puts s.gets } }
acceptor.join
Signal.trap("USR1") { puts "USR1" }
Process.kill("USR1", Process.pid)
queue = Queue.new
consumer = Thread.new { sum = 0; while (n = queue.pop) do sum += n end; sum }
1000.times { |n| queue << n }; queue << nil
puts consumer.value
begin
  Timeout.timeout(0.05) { sleep }
rescue Timeout::Error => e
  puts e.class
end
GC.start(full_mark: true, immediate_sweep: true)
def deep(n) = n.zero? ? 0 : 1 + deep(n - 1)
begin
  deep(1_000_000)
rescue SystemStackError => e
  puts e.class
end
puts `echo #{RbConfig.ruby == "/proc/self/exe"}`, $?.success?
exit 6
