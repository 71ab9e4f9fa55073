# nginx (master and one worker) and curl on loopback: requests, a reload, a graceful end. `port` holds a free port.
port=$(cat port)
mkdir -p logs pages
echo "first page" > pages/index.html
seq 1 100000 > pages/large
cat > nginx.conf <<TEXT
user root;
worker_processes 1;
daemon off;
pid nginx.pid;
error_log logs/error.log;
events { worker_connections 64; }
http {
  access_log logs/access.log;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  sendfile on;
  gzip on; gzip_types text/plain; gzip_min_length 1;
  server {
    listen 127.0.0.1:$port;
    root pages;
    location /marker { return 200 "before\n"; }
    location /proxied/ { proxy_pass http://127.0.0.1:$port/; }
  }
}
TEXT
nginx -p "$PWD" -c nginx.conf -e logs/error.log & server=$!
until (exec 3<> /dev/tcp/127.0.0.1/$port) 2>/dev/null; do kill -0 $server || { cat logs/error.log; exit 1; }; done
url=http://127.0.0.1:$port
curl -s $url/
curl -s $url/large | cksum
curl -s --compressed $url/large | cksum
curl -s $url/proxied/large | cksum
curl -s -o /dev/null -w '%{http_code} %{size_download}\n' $url/missing
curl -s -o one $url/large -o two $url/large -o three $url/index.html; cksum one two three
for i in 1 2 3 4; do curl -s $url/large | cksum > sum-$i & sums[$i]=$!; done; wait ${sums[@]}; cat sum-*
curl -s -r 10-20 $url/large | cksum
curl -s -I $url/ | grep -i '^content-type'
curl -s $url/marker
sed -i s/before/after/ nginx.conf
kill -HUP $server
until [ "$(curl -s $url/marker)" = after ]; do kill -0 $server || exit 1; done
echo reloaded
curl -s http://127.0.0.1:$port/
kill -QUIT $server
wait $server; echo "server: $?"
curl -s $url/; echo "curl: $?"
grep -c -v -E '\[notice\]' logs/error.log
