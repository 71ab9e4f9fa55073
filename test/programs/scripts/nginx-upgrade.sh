# nginx replaces its own program while requests run: USR2 makes a second master that inherits the sockets, WINCH and QUIT end the first. None of
# the requests meanwhile may fail. `port` holds a free port.
port=$(cat port)
mkdir -p logs pages
seq 1 100000 > pages/large
cat > nginx.conf <<TEXT
user root;
worker_processes 2;
pid nginx.pid;
error_log logs/error.log;
events { worker_connections 64; }
http {
  access_log logs/access.log;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen 127.0.0.1:$port; root pages; location /marker { return 200 "before\n"; } }
}
TEXT
url=http://127.0.0.1:$port
/usr/sbin/nginx -p "$PWD" -c nginx.conf -e logs/error.log
until curl -s $url/marker; do :; done
old=$(cat nginx.pid)
: > running
(failed=0; while [ -e running ]; do curl -s -o /dev/null $url/large || failed=$((failed + 1)); done; echo "failed requests: $failed") & load=$!
gone() { while kill -0 "$1" 2> /dev/null; do :; done; }

sed -i s/before/after/ nginx.conf
kill -HUP "$old"
until [ "$(curl -s $url/marker)" = after ]; do :; done; echo reloaded
kill -USR2 "$old"
until [ -e nginx.pid.oldbin ] && [ -s nginx.pid ]; do :; done
new=$(cat nginx.pid)
kill -WINCH "$old"
until [ "$(pgrep -P "$old")" = "$new" ]; do :; done; echo 'the first has no workers'
curl -s $url/marker
kill -USR1 "$new"
kill -QUIT "$old"; gone "$old"
curl -s $url/large | cksum
rm running; wait $load
kill -QUIT "$new"; gone "$new"
curl -s $url/; echo "curl: $?"
grep -E '\[(alert|emerg|crit|error)\]' logs/error.log; exit 0
