<?php
// PHP: strings, sorting, regular expressions, processes, streams, generators.
function primes(int $limit) { $sieve = array_fill(2, $limit, true);
  for ($i = 2; $i <= $limit; $i++) if ($sieve[$i]) { yield $i; for ($j = $i * $i; $j <= $limit; $j += $i) $sieve[$j] = false; } }
$sum = 0; foreach (primes(200000) as $prime) $sum += $prime; echo $sum, "\n";
mt_srand(42); $numbers = []; for ($i = 0; $i < 100000; $i++) $numbers[] = mt_rand(); sort($numbers); echo hash("sha256", join(",", $numbers)), "\n";
echo preg_replace_callback("/\\d+/", fn($m) => $m[0] * 2, "a1 b22 c333"), " ", preg_match_all("/(\\w)\\1/", str_repeat("aabbc", 5000)), "\n";
$process = proc_open(["sort", "-r"], [["pipe", "r"], ["pipe", "w"], ["pipe", "w"]], $pipes);
fwrite($pipes[0], "a\nb\nc\n"); fclose($pipes[0]); echo stream_get_contents($pipes[1]); echo proc_close($process), "\n";
echo shell_exec("echo from a shell; exit 3"); exec("exit 4", $lines, $status); echo $status, "\n";
$server = stream_socket_server("tcp://127.0.0.1:0"); $client = stream_socket_client("tcp://" . stream_socket_get_name($server, false));
$peer = stream_socket_accept($server); fwrite($client, "over tcp\n"); echo fgets($peer);
echo json_encode(unserialize(serialize(["a" => 1.5, "b" => [true, null], "é" => "ü"]))), "\n";
file_put_contents("file", str_repeat("text\n", 10000)); echo filesize("file"), " ", md5_file("file"), " ", crc32(file_get_contents("file")), "\n";
echo gzuncompress(gzcompress(str_repeat("zlib ", 1000))) === str_repeat("zlib ", 1000) ? "zlib\n" : "no\n";
if (function_exists("pcntl_fork")) { $pid = pcntl_fork(); if ($pid === 0) exit(5); pcntl_waitpid($pid, $status); echo pcntl_wexitstatus($status), "\n";
  pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () { echo "USR1\n"; }); posix_kill(posix_getpid(), SIGUSR1); }
try { intdiv(1, 0); } catch (DivisionByZeroError $error) { echo get_class($error), "\n"; }
exit(7);
