#!/bin/sh
# Makes the certificates beside it, valid for a hundred years. They are for tests on this machine only, which is why
# the keys can be here; they are kept, so that the tests do not need openssl.
set -eu
cd "$(dirname "$0")"

authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
    -subj "/CN=$2" -keyout "$1.key" -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

signed() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
  printf '%s\n' "$3" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA root.crt -CAkey root.key -CAcreateserial -days 36500 -extfile "$1.ext" -out "$1.crt"
  rm "$1.csr" "$1.ext"
}

authority root 'Tahr test authority'
authority stranger 'Some other authority'
signed server localhost 'subjectAltName=DNS:localhost'
signed client by_certificate 'extendedKeyUsage=clientAuth'
rm -f root.key root.srl stranger.key
