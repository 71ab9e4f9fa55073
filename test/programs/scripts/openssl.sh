# openssl: digests, ciphers, keys and certificates that are checked, and a TLS server with clients on loopback.
port=$(cat port)
seq 1 200000 > plain
for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -$digest plain; done
openssl dgst -sha256 -hmac secret plain
for cipher in aes-128-cbc aes-256-ctr chacha20 camellia-256-cbc; do
  openssl enc -$cipher -pbkdf2 -S 0011223344556677 -pass pass:secret -in plain -out sealed
  openssl dgst -sha256 sealed
  openssl enc -d -$cipher -pbkdf2 -S 0011223344556677 -pass pass:secret -in sealed | cmp - plain && echo "$cipher equal"
done
openssl genrsa -out rsa.pem 2048 2> /dev/null && openssl rsa -in rsa.pem -check -noout
openssl dgst -sha256 -sign rsa.pem -out signature plain
openssl rsa -in rsa.pem -pubout -out public.pem 2> /dev/null
openssl dgst -sha256 -verify public.pem -signature signature plain
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem && openssl ec -in ec.pem -check -noout 2>&1
openssl req -x509 -new -key ec.pem -subj /CN=localhost -days 2 -out certificate.pem
openssl verify -CAfile certificate.pem certificate.pem
openssl prime 1000000007
openssl s_server -accept 127.0.0.1:$port -cert certificate.pem -key ec.pem -WWW -quiet > server.log 2>&1 & server=$!
until (exec 3<> /dev/tcp/127.0.0.1/$port) 2> /dev/null; do kill -0 $server || { cat server.log; exit 1; }; done
for version in tls1_2 tls1_3; do
  printf 'GET /plain HTTP/1.0\r\n\r\n' |
    openssl s_client -connect 127.0.0.1:$port -$version -CAfile certificate.pem -verify_return_error -quiet -ign_eof 2> client.log |
    cksum
  grep -c '^depth=0 CN = localhost' client.log
done
kill $server; wait $server 2> /dev/null; echo "server: $?"
