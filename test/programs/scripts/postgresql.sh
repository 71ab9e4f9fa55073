# PostgreSQL: a cluster made, a server with its helpers, clients by the pair, parallel queries, a backend that is killed and the
# recovery after it, a fast stop. The server refuses to run as root, so that root becomes an ordinary user of a user namespace.
[ "$(id -u)" != 0 ] || exec unshare --user --map-user=1000 --map-group=1000 bash "$0"
bin=$(echo /usr/lib/postgresql/*/bin)
export PGHOST=$PWD PGUSER=tester PGDATABASE=postgres
"$bin/initdb" -D data -U tester -A trust --no-sync > initdb.log 2>&1 || { cat initdb.log; exit 1; }
grep -c ok initdb.log
cat >> data/postgresql.conf <<TEXT
listen_addresses = ''
unix_socket_directories = '$PWD'
fsync = off
shared_buffers = 16MB
max_connections = 20
autovacuum_naptime = 1
TEXT
"$bin/postgres" -D data > server.log 2>&1 & server=$!
until "$bin/pg_isready" -q; do kill -0 $server || { cat server.log; exit 1; }; done
q() { psql -X -A -t -q -c "$1"; }

"$bin/pgbench" -i -s 2 -q > init.log 2>&1 || cat init.log
"$bin/pgbench" -c 4 -j 2 -t "${1:-100}" -n > bench.log 2>&1 || cat bench.log
grep -E 'actually processed|failed' bench.log
q 'select sum(abalance) = (select sum(bbalance) from pgbench_branches), count(*) from pgbench_accounts'
q 'select count(*) from pgbench_history'
q 'copy (select * from generate_series(1, 20000)) to stdout' | cksum
psql -X -A -t -q <<'TEXT'
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set enable_indexonlyscan = off; set enable_indexscan = off;
explain (costs off) select sum(aid) from pgbench_accounts where aid % 7 = 3;
select sum(aid) from pgbench_accounts where aid % 7 = 3;
create function fibonacci(n int) returns bigint language plpgsql as 'begin return case when n < 2 then n else fibonacci(n - 1) + fibonacci(n - 2) end; end';
select fibonacci(14);
listen channel; notify channel, 'text';
select 1 / 0;
set statement_timeout = 20; select pg_sleep(1000);
TEXT

# The server ends all backends when one is killed, and replays its log.
q 'create table before (i int); insert into before select generate_series(1, 1000)'
psql -X -A -t -q -c 'select pg_backend_pid()' -c 'select pg_sleep(1000)' > backend 2> killed & client=$!
until [ -s backend ]; do kill -0 $client || exit 1; done
kill -9 "$(cat backend)"
wait $client; echo "client: $?"
sed -E 's/^.*(server closed)/\1/' killed
until q 'select 1' > /dev/null 2>&1; do kill -0 $server || { cat server.log; exit 1; }; done
q 'select sum(i) from before'
grep -o -E 'was terminated by signal 9: Killed|all server processes terminated; reinitializing|redo done' server.log
"$bin/pg_ctl" -D data stop -m fast -s; echo "stop: $?"
wait $server; echo "server: $?"
grep PANIC server.log; exit 0
