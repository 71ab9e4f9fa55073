# redis forks for its snapshots and for the rewriting of its log while clients write: the child must see the memory of the instant of its fork, and
# the server must lose nothing when it is killed. `port` holds a free port.
start() {
  redis-server --port 0 --unixsocket "$PWD/socket" --save '' --appendonly yes --appendfsync no --daemonize no --dir "$PWD" \
    --logfile server.log --enable-debug-command local & server=$!
  until [ "$(redis-cli -s socket ping 2> /dev/null)" = PONG ]; do kill -0 $server || { cat server.log; exit 1; }; done
}
c() { redis-cli -s socket "$@"; }
idle() { until c info persistence | grep -q -E 'bgsave_in_progress:0' && c info persistence | grep -q 'aof_rewrite_in_progress:0'; do :; done; }
start
c debug populate 50000 key 100
: > running
(rounds=0; while [ -e running ] || [ $rounds = 0 ]; do
  redis-benchmark -s socket -c 8 -n 2000 -P 8 -q -t set,incr,lpush > /dev/null || echo 'benchmark failed'; rounds=$((rounds + 1))
done; echo $rounds > rounds) & load=$!
for i in 1 2 3; do
  idle; c bgsave > /dev/null; idle
  redis-check-rdb dump.rdb | grep -c 'RDB looks OK'
  c bgrewriteaof > /dev/null; idle
done
rm running; wait $load
c info persistence | tr -d '\r' | grep -E 'last_bgsave_status|aof_last_bgrewrite_status|aof_last_write_status'
[ "$(c get counter:__rand_int__)" = $((2000 * $(cat rounds))) ] && [ "$(c llen mylist)" = $((2000 * $(cat rounds))) ] && echo counted
before=$(c debug digest)
kill -KILL $server; wait $server 2> /dev/null; echo "server: $?"
start
[ "$(c debug digest)" = "$before" ] && echo 'all is there'
c dbsize
c shutdown nosave; wait $server; echo "server: $?"
