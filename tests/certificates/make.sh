#!/bin/sh
# Makes the certificates of the tests anew: one authority, two servers' names, one client. They are good for nothing else.
# Valid from 2020 to 2120, whatever the clock of the machine that runs the tests says.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
touch "$work/index.txt"
cat > "$work/ca.cnf" <<END
[ca]
default_ca = here
[here]
database = $work/index.txt
new_certs_dir = $work
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
END
sign() { openssl ca -batch -config "$work/ca.cnf" -startdate 20200101000000Z -enddate 21200101000000Z -notext "$@"; }
request() {  # file, common name
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$work/$1.csr"
}
request authority "Open Outcry tests"
sign -selfsign -keyfile authority.key -extensions authority -in "$work/authority.csr" -out authority.pem
for name in server:localhost other:other.example client:client; do
    file=${name%%:*} common=${name##*:}
    request "$file" "$common"
    {
        echo "[end]"
        echo "subjectAltName = DNS:$common, IP:127.0.0.1"
        echo "basicConstraints = CA:FALSE"
        echo "authorityKeyIdentifier = keyid"
    } > "$work/$file.ext"
    sign -cert authority.pem -keyfile authority.key -extfile "$work/$file.ext" -extensions end -in "$work/$file.csr" -out "$file.pem"
done
rm -r authority.key "$work"
