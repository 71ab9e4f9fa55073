# redis: the server on a unix socket and a loopback port, redis-cli, redis-benchmark, a background save by a forked child.
port=$(cat port)
redis-server --port $port --bind 127.0.0.1 --unixsocket "$PWD/socket" --save '' --daemonize no --dir "$PWD" --io-threads 2 \
  --logfile server.log --enable-debug-command local & server=$!
c() { redis-cli -s socket "$@"; }
until [ "$(c ping 2> /dev/null)" = PONG ]; do kill -0 $server || { cat server.log; exit 1; }; done
redis-benchmark -p $port -c 20 -n 4000 -P 4 --threads 2 -q -t set,get,incr,lpush,zadd > benchmark.log || cat benchmark.log
grep -c 'requests per second' benchmark.log
redis-benchmark -s socket -c 5 -n 1000 -q -t mset,hset > benchmark.log || cat benchmark.log
grep -c 'requests per second' benchmark.log
c get key:__rand_int__ | wc -c
c get counter:__rand_int__
c llen mylist
c flushall
seq 1 5000 | sed 's/.*/SET key& value&/' | c --pipe | tail -1
c eval 'local sum = 0; for i = 1, 5000 do sum = sum + #redis.call("get", "key" .. i) end; return sum' 0
c dbsize
redis-cli -p $port incrby counter 42
c save; c bgsave; until c info persistence | grep -q rdb_bgsave_in_progress:0; do :; done
c info persistence | tr -d '\r' | grep rdb_last_bgsave_status
c debug reload; c get key4711; c get counter
redis-cli -s socket subscribe channel > subscribed & subscriber=$!
until [ "$(c publish channel text)" = 1 ]; do :; done
until grep -q text subscribed; do :; done; kill $subscriber; wait $subscriber 2> /dev/null; tail -3 subscribed
c shutdown nosave 2> /dev/null
wait $server; echo "server: $?"
