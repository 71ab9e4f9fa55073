// The servers that run as long as a soak does, each natively and under Flicker at once, while clients (native ones) make each do what costs a process
// something: forks, threads that come and go, libraries loaded and unloaded, code that is compiled, files and sockets opened.
import { fileURLToPath } from "node:url";

export interface Server {
  name: string;
  /** Shell text that runs natively in the server's own directory before it starts. */
  prepare?: string;
  command: readonly [string, ...string[]];
  /** Shell text that succeeds once the server answers. */
  ready: string;
  /** Shell text of one step of work: whatever it prints and a status other than 0 is a failure. */
  step: string;
  stop: NodeJS.Signals;
  /** How it ends then. */
  end: string;
}

const source = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const curl = "curl -sS --unix-socket socket --fail";
const asUser = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] as const;
const postgres = "$(echo /usr/lib/postgresql/*/bin)";

export const servers: readonly Server[] = [
  {
    name: "nginx",
    prepare: `mkdir logs pages; seq 1 100000 > pages/large; cat > nginx.conf <<TEXT
user root; worker_processes 2; daemon off; pid nginx.pid; error_log logs/error.log error;
events { worker_connections 64; }
http {
  access_log off; gzip on; gzip_types text/plain; gzip_min_length 1;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen unix:$PWD/socket; root pages; }
}
TEXT`,
    command: ["sh", "-c", 'exec nginx -p "$PWD" -c nginx.conf -e logs/error.log'],
    ready: `${curl} -o /dev/null http://host/large 2> /dev/null`,
    // A reload replaces both workers.
    step: `set -e; for i in 1 2 3; do [ "$(${curl} --compressed http://host/large | cksum)" = "2052179976 588895" ]; done; kill -HUP $SERVER
      [ ! -s logs/error.log ] || cat logs/error.log`,
    stop: "SIGQUIT",
    end: "exit 0",
  },
  {
    name: "redis",
    command: ["sh", "-c", `exec redis-server --port 0 --unixsocket "$PWD/socket" --save '' --logfile log`],
    ready: '[ "$(redis-cli -s socket ping 2> /dev/null)" = PONG ]',
    step: `set -e; redis-benchmark -s socket -c 5 -n 500 -q -t set,incr,lpop,lpush > /dev/null
      redis-cli -s socket bgsave > /dev/null || true; redis-cli -s socket eval 'for i = 1, 1000 do redis.call("set", "k" .. i, i) end' 0 > /dev/null
      redis-cli -s socket info persistence | grep -q rdb_last_bgsave_status:ok`,
    stop: "SIGTERM",
    end: "exit 0",
  },
  {
    name: "postgresql",
    prepare: `unshare --user --map-user=1000 --map-group=1000 ${postgres}/initdb -D data -U tester -A trust --no-sync > log
      echo "listen_addresses = ''
fsync = off
shared_buffers = 16MB
unix_socket_directories = '$PWD'" >> data/postgresql.conf`,
    command: [...asUser, "sh", "-c", `exec ${postgres}/postgres -D data 2> log`],
    ready: `${postgres}/pg_isready -q -h "$PWD" && { ${postgres}/pgbench -h "$PWD" -U tester -i -q postgres 2> init || cat init; }`,
    step: `${postgres}/pgbench -h "$PWD" -U tester -c 2 -T 1 -n -C postgres > bench 2>&1 || cat bench`,
    stop: "SIGINT",
    end: "exit 0",
  },
  {
    name: "python",
    command: ["/usr/bin/python3", source("server.py"), "socket"],
    ready: `${curl} http://host/ping > /dev/null 2>&1`,
    step: `set -e; for i in 1 2 3; do [ "$(${curl} http://host/work)" = 'work done' ]; done`,
    stop: "SIGTERM",
    end: "exit 0",
  },
  {
    name: "node",
    command: [process.execPath, source("server.mjs"), "socket"],
    ready: `${curl} http://host/ping > /dev/null 2>&1`,
    step: `set -e; for i in 1 2 3; do [ "$(${curl} http://host/work)" = 'work done' ]; done`,
    stop: "SIGTERM",
    end: "exit 0",
  },
];
